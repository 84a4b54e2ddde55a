"""Everything that speaks HTTP: the application, problems, and a file of endpoints for each noun."""
