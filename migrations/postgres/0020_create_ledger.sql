-- The ledger: what was counted of a tenant's hour once it was over and stored. An entry is never changed: the service may
-- add and read, and what changes later is another entry, the next revision. Each holds the hash of the one before.
CREATE TABLE ledger_entries (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    number bigint NOT NULL CHECK (number >= 1),
    hour timestamptz NOT NULL,
    revision integer NOT NULL CHECK (revision >= 0),
    entered_at timestamptz NOT NULL,
    counts jsonb NOT NULL CHECK (jsonb_typeof(counts) = 'object'),
    previous_hash text NOT NULL CHECK (previous_hash ~ '^[0-9a-f]{64}$'),
    hash text NOT NULL CHECK (hash ~ '^[0-9a-f]{64}$'),
    PRIMARY KEY (tenant_id, number),
    UNIQUE (tenant_id, hour, revision)
);
SELECT hookline_secure_table('ledger_entries');
REVOKE UPDATE, DELETE ON ledger_entries FROM hookline_service;
CREATE POLICY examined ON ledger_entries FOR SELECT TO hookline_relay USING (true);
GRANT SELECT ON ledger_entries TO hookline_relay;

-- What does not agree. A difference that is found no longer is resolved, and open again when it comes back.
-- topic '' and -1: no place is known.
CREATE TABLE ledger_differences (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    hour timestamptz NOT NULL,
    kind text NOT NULL CHECK (kind IN ('loss', 'duplicate', 'late_pending', 'exchanged', 'altered')),
    topic text NOT NULL,
    partition integer NOT NULL,
    first_offset bigint NOT NULL,
    last_offset bigint NOT NULL,
    count bigint NOT NULL CHECK (count >= 1),
    detail text NOT NULL,
    found_at timestamptz NOT NULL DEFAULT now(),
    resolved_at timestamptz,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, hour, kind, topic, partition, first_offset, last_offset, detail)
);
CREATE INDEX ledger_differences_open ON ledger_differences (tenant_id, hour) WHERE resolved_at IS NULL;
SELECT hookline_secure_table('ledger_differences');
REVOKE UPDATE, DELETE ON ledger_differences FROM hookline_service;
GRANT UPDATE (count, found_at, resolved_at) ON ledger_differences TO hookline_service;
CREATE POLICY examined ON ledger_differences FOR SELECT TO hookline_relay USING (true);
GRANT SELECT ON ledger_differences TO hookline_relay;
