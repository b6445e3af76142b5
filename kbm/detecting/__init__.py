"""Runs detectors in a process of their own: they get data, ask over a pipe, and return data."""
