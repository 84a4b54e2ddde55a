"""Runs background loops. No request waits for them; the work of each loop is in the `jobs` module of its feature."""
