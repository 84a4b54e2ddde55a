"""Reservations: holds, the claims they consist of, house seats, and seat availability."""
