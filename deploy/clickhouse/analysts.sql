-- A role for people's own SQL: it reads and nothing else, within limits that protect the sink. The person who
-- manages access on the server runs it; docker-compose.yml does it when the server first makes its volume. Somebody gets it by
--   CREATE USER alice IDENTIFIED WITH sha256_password BY '…' DEFAULT ROLE analyst SETTINGS PROFILE analyst;
--   GRANT analyst TO alice;

-- readonly = 1 refuses writes, DDL and changed settings.
CREATE SETTINGS PROFILE IF NOT EXISTS analyst SETTINGS
    readonly = 1,
    max_execution_time = 30,
    max_memory_usage = 4000000000,
    max_rows_to_read = 500000000,
    max_result_rows = 1000000,
    result_overflow_mode = 'throw',
    max_threads = 2,
    do_not_merge_across_partitions_select_final = 1,
    priority = 10;

CREATE ROLE IF NOT EXISTS analyst;

GRANT SELECT ON billing.* TO analyst;

CREATE QUOTA IF NOT EXISTS analyst KEYED BY user_name
    FOR INTERVAL 1 minute MAX queries = 60,
    FOR INTERVAL 1 hour MAX queries = 600, read_rows = 20000000000, execution_time = 900
    TO analyst;
