-- Of the group `handled_*`: which action a delivery ended in (of rows without it, what their outcome names), and when
-- processors asked for it.
ALTER TABLE deliveries
    ADD COLUMN IF NOT EXISTS handled_action LowCardinality(Nullable(String))
        DEFAULT JSONExtractString(handled_outcome, 'action'),
    ADD COLUMN IF NOT EXISTS handled_requested_at Nullable(DateTime64(6, 'UTC'));
