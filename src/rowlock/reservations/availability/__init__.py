"""Seat availability: which seats of a show are free now, held in memory for viewers and for best-available."""
