-- Of the group `handled_*`: when processors asked for the action that a delivery ended in.
ALTER TABLE deliveries ADD COLUMN IF NOT EXISTS handled_requested_at Nullable(DateTime64(6, 'UTC'));
