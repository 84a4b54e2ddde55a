"""What operators look with: the invariant auditor, the doctor of a machine and its database, logging."""
