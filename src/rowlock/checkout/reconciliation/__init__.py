"""Compares what payment providers have with what is recorded here, to the cent."""
