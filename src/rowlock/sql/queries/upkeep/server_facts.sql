select
    current_setting('server_version_num')::integer as server_version,
    current_user::text as user_name,
    pg_is_in_recovery() as in_recovery,
    current_setting('fsync') as fsync,
    current_setting('full_page_writes') as full_page_writes,
    current_setting('synchronous_commit') as synchronous_commit,
    current_setting('autovacuum') as autovacuum,
    current_setting('server_encoding') as server_encoding,
    current_setting('default_transaction_isolation') as default_transaction_isolation,
    current_setting('default_transaction_read_only') as default_transaction_read_only,
    current_setting('lock_timeout') as lock_timeout,
    current_setting('statement_timeout') as statement_timeout,
    current_setting('max_connections')::integer as max_connections,
    current_setting('max_connections')::integer
        - current_setting('superuser_reserved_connections')::integer
        - (select count(*)::integer from pg_stat_activity where backend_type = 'client backend') as connections_free,
    exists (select from pg_timezone_names where name = 'Europe/Berlin') as knows_time_zones
