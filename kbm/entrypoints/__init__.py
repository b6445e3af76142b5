"""The ways in: parse, one use case, render."""
