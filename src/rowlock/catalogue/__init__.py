"""The catalogue: organizations, venues, seating plans, shows and prices. Rarely written, often read."""
