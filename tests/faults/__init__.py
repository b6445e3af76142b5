"""Kills kbm at each named step, and looks whether what was promised still holds."""
