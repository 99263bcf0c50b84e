-- Exact, where the sketches of latencies are within 1 %. It counts by the targets in force when the minute was counted.
ALTER TABLE delivery_minutes ADD COLUMN IF NOT EXISTS late Array(UInt64)
    COMMENT 'deliveries that ended later than the target of priority 0, 1, 2 and 3' AFTER failed;
