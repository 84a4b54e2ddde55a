"""What every noun needs and no noun owns: ids, outcomes, who asks, connection strings. Standard library only."""
