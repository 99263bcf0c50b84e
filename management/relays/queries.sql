-- name: become_relay
SET ROLE hookline_relay

-- name: bound_session
SELECT
    set_config('statement_timeout', %(statement_timeout_ms)s, false),
    set_config('idle_session_timeout', %(idle_timeout_ms)s, false),
    set_config('idle_in_transaction_session_timeout', %(idle_timeout_ms)s, false)

-- name: try_lead
SELECT pg_try_advisory_lock(%(lock_key)s) AS leads
