"""Version 1 of reserve and release: plain SQL in one application transaction, without any stored function."""
