select * from rowlock.ensure_audit_log_partitions()
