-- What an erasure has cleared in Postgres itself: samples and kept tests of webhooks.
ALTER TABLE erasures
    ADD COLUMN samples_cleared integer NOT NULL DEFAULT 0 CHECK (samples_cleared >= 0),
    ADD COLUMN tests_cleared integer NOT NULL DEFAULT 0 CHECK (tests_cleared >= 0);
