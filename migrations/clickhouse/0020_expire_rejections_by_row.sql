-- When a rejection expires, where its tenant wants something else than 14 days.
ALTER TABLE rejections
    ADD COLUMN IF NOT EXISTS expires_at Nullable(DateTime('UTC')),
    MODIFY TTL ifNull(expires_at, toDateTime(rejected_at) + INTERVAL 14 DAY);
