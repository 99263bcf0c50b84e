-- The sum of the minutes', position by position.
ALTER TABLE delivery_hours ADD COLUMN IF NOT EXISTS late Array(UInt64)
    COMMENT 'deliveries that ended later than the target of priority 0, 1, 2 and 3' AFTER failed;
