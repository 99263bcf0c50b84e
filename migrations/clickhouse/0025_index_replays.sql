-- What became of a replay, and of an origin's replays, is asked for while it runs: these read the few granules that may
-- have it. Rows of before are few, and are read whole.
ALTER TABLE deliveries
    ADD INDEX IF NOT EXISTS by_replay_id replay_id TYPE bloom_filter(0.01) GRANULARITY 1,
    ADD INDEX IF NOT EXISTS by_replayed_from replayed_from TYPE bloom_filter(0.01) GRANULARITY 1
