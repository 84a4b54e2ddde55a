"""Reservations: holds, the claims they consist of, house seats, and which seats are free."""
