"""The live picture of each show: the status of every seat in memory, kept current by the change feed."""
