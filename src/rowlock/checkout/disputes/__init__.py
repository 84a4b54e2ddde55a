"""Chargebacks: what providers say of them is fetched, recorded and listed."""
