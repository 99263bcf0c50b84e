-- When a delivery's body and its row expire, where the tenant or webhook wants something else than 30 and 400 days. The
-- sink writes both with every row, whether it is a request or an outcome, so that the halves of a delivery that were not
-- merged yet go together. An UPDATE of these columns applies the expiry in the same rewrite.
-- `erased_at`: when somebody had the body, and maybe more of it, deleted.
ALTER TABLE deliveries
    ADD COLUMN IF NOT EXISTS body_expires_at Nullable(DateTime('UTC')),
    ADD COLUMN IF NOT EXISTS row_expires_at Nullable(DateTime('UTC')),
    ADD COLUMN IF NOT EXISTS erased_at Nullable(DateTime64(3, 'UTC')),
    MODIFY COLUMN body Nullable(String) CODEC(ZSTD(1))
        TTL ifNull(body_expires_at, toDateTime(received_at) + INTERVAL 30 DAY),
    MODIFY TTL ifNull(row_expires_at, toDateTime(received_at) + INTERVAL 400 DAY);
