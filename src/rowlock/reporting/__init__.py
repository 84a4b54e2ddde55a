"""Reports from the audit log. Reads only."""
