"""The sample company and its loader."""
