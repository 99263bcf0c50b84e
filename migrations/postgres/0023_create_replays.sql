-- One replay of one delivery, and by whom. `delivery_id` is the replay's own, `origin_id` the delivery that it is a replay of.
-- `change` is what was done to the body: it may quote it, and goes when the body goes.
ALTER TABLE webhooks
    ADD COLUMN replay_count_max integer NOT NULL DEFAULT 10 CHECK (replay_count_max BETWEEN 0 AND 1000);
CREATE TABLE delivery_replays (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    delivery_id uuid NOT NULL,
    webhook_id uuid NOT NULL,
    origin_id uuid NOT NULL,
    replay_id uuid NOT NULL,
    mode text NOT NULL CHECK (mode IN ('redrive', 'fill')),
    replayed_by jsonb NOT NULL CHECK (jsonb_typeof(replayed_by) = 'object'),
    replayed_at timestamptz NOT NULL,
    reason text CHECK (char_length(reason) BETWEEN 1 AND 500),
    change_kind text CHECK (change_kind IN ('body', 'patch')),
    change jsonb,
    PRIMARY KEY (tenant_id, delivery_id),
    CHECK (change IS NULL OR change_kind IS NOT NULL)
);
CREATE INDEX delivery_replays_by_time ON delivery_replays (tenant_id, replayed_at);
CREATE INDEX delivery_replays_with_change ON delivery_replays (tenant_id, delivery_id) WHERE change IS NOT NULL;
SELECT hookline_secure_table('delivery_replays');
CREATE POLICY published ON delivery_replays FOR SELECT TO hookline_relay USING (true);
GRANT SELECT (tenant_id, change, replayed_at) ON delivery_replays TO hookline_relay;
-- How often a delivery was replayed, alone or by a job. `replays_max` is the webhook's limit when that was last asked.
CREATE TABLE replay_counts (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    origin_id uuid NOT NULL,
    replays integer NOT NULL CHECK (replays >= 1),
    replays_max integer NOT NULL,
    last_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, origin_id)
);
CREATE INDEX replay_counts_by_time ON replay_counts (tenant_id, last_at);
SELECT hookline_secure_table('replay_counts');
CREATE POLICY published ON replay_counts FOR SELECT TO hookline_relay USING (true);
GRANT SELECT (tenant_id, last_at) ON replay_counts TO hookline_relay;
