"""Seat availability: the state of the seats of shows, in memory, for seat maps and for best-available."""
