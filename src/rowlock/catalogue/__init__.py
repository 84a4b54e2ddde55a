"""The catalogue: organizations, venues, seating plans, shows and prices. It is read often and written rarely."""
