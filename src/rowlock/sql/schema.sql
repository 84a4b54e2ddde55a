/work/main/src/rowlock/sql/schema.sql is written.
