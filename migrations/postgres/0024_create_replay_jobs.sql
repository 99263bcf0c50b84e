-- Replay jobs. `selection` is as it was asked for. The counters say what became of the records that were selected; the
-- outcomes are of the log, as of `outcomes_at`. `revision` grows with every change, so that who watches sees each.
-- hookline_relay finds what is to be done, of all tenants; what is done is done for one tenant.
CREATE TABLE replays (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    id uuid NOT NULL,
    state text NOT NULL DEFAULT 'planning'
        CHECK (state IN ('planning', 'awaiting_confirmation', 'running', 'paused', 'done', 'stopped', 'failed')),
    state_since timestamptz NOT NULL DEFAULT now(),
    state_cause text CHECK (state_cause IN ('person', 'plan_only', 'ceiling', 'failures', 'lag', 'error')),
    state_reason text,
    state_by jsonb CHECK (jsonb_typeof(state_by) = 'object'),
    selection jsonb NOT NULL CHECK (jsonb_typeof(selection) = 'object'),
    mode text NOT NULL CHECK (mode IN ('redrive', 'fill')),
    reason text NOT NULL CHECK (char_length(reason) BETWEEN 1 AND 500),
    rate_per_second integer NOT NULL CHECK (rate_per_second BETWEEN 1 AND 5000),
    plan_only boolean NOT NULL,
    confirm_records bigint,
    asked_by jsonb NOT NULL CHECK (jsonb_typeof(asked_by) = 'object'),
    asked_at timestamptz NOT NULL,
    planning_attempts integer NOT NULL DEFAULT 0,
    planned_at timestamptz,
    started_at timestamptz,
    resumed_at timestamptz,
    ended_at timestamptz,
    batches integer NOT NULL DEFAULT 0,
    selected bigint NOT NULL DEFAULT 0,
    published bigint NOT NULL DEFAULT 0,
    present bigint NOT NULL DEFAULT 0,
    lost bigint NOT NULL DEFAULT 0,
    refused bigint NOT NULL DEFAULT 0,
    outcomes jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(outcomes) = 'object'),
    outcomes_at timestamptz,
    has_all_outcomes boolean NOT NULL DEFAULT false,
    has_records boolean NOT NULL DEFAULT true,
    revision bigint NOT NULL DEFAULT 1,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX replays_by_time ON replays (tenant_id, asked_at DESC, id DESC);
CREATE INDEX replays_open ON replays (asked_at) WHERE state IN ('planning', 'awaiting_confirmation', 'running', 'paused');
CREATE INDEX replays_ended ON replays (ended_at) WHERE ended_at IS NOT NULL AND has_records;
SELECT hookline_secure_table('replays');
REVOKE DELETE ON replays FROM hookline_service;
CREATE POLICY led ON replays FOR SELECT TO hookline_relay USING (true);
GRANT SELECT ON replays TO hookline_relay;

-- Ranges of offsets that a job selects: how far they are read. What retention deleted of one before it was read:
-- from `deleted_first` up to, and without, `deleted_end`.
CREATE TABLE replay_ranges (
    tenant_id uuid NOT NULL,
    replay_id uuid NOT NULL,
    number integer NOT NULL CHECK (number >= 0),
    topic text NOT NULL,
    partition integer NOT NULL,
    first_offset bigint NOT NULL,
    last_offset bigint NOT NULL,
    next_offset bigint NOT NULL,
    is_read boolean NOT NULL DEFAULT false,
    deleted_first bigint,
    deleted_end bigint,
    PRIMARY KEY (tenant_id, replay_id, number),
    FOREIGN KEY (tenant_id, replay_id) REFERENCES replays (tenant_id, id) ON DELETE CASCADE
);
SELECT hookline_secure_table('replay_ranges');

-- Where a job is in each source partition: everything up to this offset and delivery has been dealt with.
CREATE TABLE replay_cursors (
    tenant_id uuid NOT NULL,
    replay_id uuid NOT NULL,
    topic text NOT NULL,
    partition integer NOT NULL,
    selected bigint NOT NULL,
    passed bigint NOT NULL DEFAULT 0,
    last_offset bigint NOT NULL DEFAULT 0,
    last_delivery_id uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    PRIMARY KEY (tenant_id, replay_id, topic, partition),
    FOREIGN KEY (tenant_id, replay_id) REFERENCES replays (tenant_id, id) ON DELETE CASCADE
);
SELECT hookline_secure_table('replay_cursors');

-- What is about to be published, written down before it is: records go where their origins stand. `end_offset` is the end
-- of the partition at that moment: whoever goes on looks behind it for what is there already.
CREATE TABLE replay_batches (
    tenant_id uuid NOT NULL,
    replay_id uuid NOT NULL,
    number integer NOT NULL CHECK (number >= 1),
    topic text NOT NULL,
    partition integer NOT NULL,
    passed integer NOT NULL,
    last_offset bigint NOT NULL,
    last_delivery_id uuid NOT NULL,
    end_offset bigint NOT NULL,
    written_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    done_at timestamptz,
    PRIMARY KEY (tenant_id, replay_id, number),
    FOREIGN KEY (tenant_id, replay_id) REFERENCES replays (tenant_id, id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX replay_batches_in_hand ON replay_batches (tenant_id, replay_id) WHERE done_at IS NULL;
SELECT hookline_secure_table('replay_batches');
CREATE POLICY led ON replay_batches FOR SELECT TO hookline_relay USING (true);
GRANT SELECT ON replay_batches TO hookline_relay;

-- What became of every selected delivery. Of one origin a job publishes one record.
CREATE TABLE replay_records (
    tenant_id uuid NOT NULL,
    replay_id uuid NOT NULL,
    batch integer NOT NULL CHECK (batch >= 0),
    position integer NOT NULL CHECK (position >= 0),
    delivery_id uuid NOT NULL,
    origin_id uuid NOT NULL,
    webhook_id uuid,
    received_at_us bigint,
    topic text,
    partition integer,
    record_offset bigint,
    result text NOT NULL CHECK (result IN ('noted', 'published', 'present', 'lost', 'refused')),
    code text,
    reason text,
    new_delivery_id uuid,
    replayed_at_us bigint,
    PRIMARY KEY (tenant_id, replay_id, batch, position),
    FOREIGN KEY (tenant_id, replay_id) REFERENCES replays (tenant_id, id) ON DELETE CASCADE,
    CHECK ((result IN ('noted', 'published')) = (new_delivery_id IS NOT NULL AND replayed_at_us IS NOT NULL))
);
CREATE UNIQUE INDEX replay_records_of_origin ON replay_records (tenant_id, replay_id, origin_id)
    WHERE result IN ('noted', 'published');
SELECT hookline_secure_table('replay_records');
