"""Integrators: programs with a key that sell for an organization, or do the work of its staff."""
