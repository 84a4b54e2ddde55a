"""Shared by all features: ids, outcomes, holders, connection strings. Imports the standard library only."""
