-- Which records stand in the dead-letter topics, and what was done with each. The records themselves are in Kafka alone: no
-- byte of a body is here, nor a message that may quote one. A row goes when its record does. tenant_id is null for what names
-- no tenant: no tenant sees those. `letter_id` is made of topic, partition and offset, and orders letters of one moment.
CREATE TABLE dead_letters (
    tenant_id uuid REFERENCES tenants (id) ON DELETE CASCADE,
    topic text NOT NULL,
    partition integer NOT NULL CHECK (partition >= 0),
    record_offset bigint NOT NULL CHECK (record_offset >= 0),
    incarnation text NOT NULL,
    letter_id uuid NOT NULL,
    webhook_id uuid,
    delivery_id uuid,
    stage text NOT NULL,
    code text NOT NULL,
    failed_at timestamptz NOT NULL,
    record_bytes bigint NOT NULL CHECK (record_bytes >= 0),
    state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'redriven', 'dismissed')),
    decided_at timestamptz,
    decided_by jsonb CHECK (jsonb_typeof(decided_by) = 'object'),
    reason text CHECK (char_length(reason) BETWEEN 1 AND 500),
    replay_id uuid,
    new_delivery_id uuid,
    change_digest bytea CHECK (octet_length(change_digest) = 32),
    published_at timestamptz,
    UNIQUE NULLS NOT DISTINCT (tenant_id, topic, partition, record_offset),
    CHECK ((state = 'open') = (decided_at IS NULL)),
    CHECK ((state = 'redriven') = (new_delivery_id IS NOT NULL)),
    CHECK (published_at IS NULL OR state = 'redriven')
);
CREATE UNIQUE INDEX dead_letters_by_place ON dead_letters (topic, partition, record_offset);
CREATE INDEX dead_letters_by_time ON dead_letters (tenant_id, failed_at DESC, letter_id DESC);
SELECT hookline_secure_table('dead_letters');
-- Rows come and go with their records, by the index alone, which works as hookline_relay; a tenant decides about its own.
REVOKE INSERT, UPDATE, DELETE ON dead_letters FROM hookline_service;
GRANT UPDATE (state, decided_at, decided_by, reason, replay_id, new_delivery_id, change_digest, published_at)
    ON dead_letters TO hookline_service;
CREATE POLICY indexed ON dead_letters TO hookline_relay USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, DELETE ON dead_letters TO hookline_relay;
