"""Version 1 of the beginning of a payment, in plain SQL without stored functions."""
