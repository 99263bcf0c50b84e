-- What was asked to be deleted from the log, and the receipt. `sealed_value` is a ciphertext of `infra.secretbox`, gone once
-- `closed_at` is set: until then the value is looked for again, as Kafka still has the requests. `removal` is the version of the
-- statement in ClickHouse whose end is waited for.
CREATE TABLE erasures (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    id uuid NOT NULL,
    kind text NOT NULL CHECK (kind IN ('body', 'value')),
    status text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'running', 'done', 'failed')),
    delivery_id uuid,
    webhook_id uuid,
    path text,
    sealed_value text CHECK (sealed_value LIKE 'v1.%'),
    value_fingerprint text CHECK (value_fingerprint LIKE 'f1.%'),
    reason text NOT NULL CHECK (char_length(reason) <= 500),
    asked_by jsonb NOT NULL CHECK (jsonb_typeof(asked_by) = 'object'),
    asked_at timestamptz NOT NULL,
    in_force_until timestamptz NOT NULL,
    next_look_at timestamptz NOT NULL DEFAULT now(),
    removal bigint,
    removed_at timestamptz,
    entities text[] NOT NULL DEFAULT '{}',
    failure text,
    receipt jsonb CHECK (jsonb_typeof(receipt) = 'object'),
    receipt_hash text CHECK (receipt_hash ~ '^[0-9a-f]{64}$'),
    closed_at timestamptz,
    PRIMARY KEY (tenant_id, id),
    CHECK ((kind = 'body') = (delivery_id IS NOT NULL)),
    CHECK ((kind = 'value') = (path IS NOT NULL AND value_fingerprint IS NOT NULL))
);
CREATE INDEX erasures_by_time ON erasures (tenant_id, asked_at DESC, id DESC);
CREATE INDEX erasures_in_force ON erasures (next_look_at) WHERE closed_at IS NULL;
SELECT hookline_secure_table('erasures');
REVOKE DELETE ON erasures FROM hookline_service;
CREATE POLICY published ON erasures FOR SELECT TO hookline_relay USING (true);
GRANT SELECT ON erasures TO hookline_relay;
