-- Domain events leave the outbox when they are published, so no row has to say that it was. The order of rows is the
-- order of publishing: of one entity it is the order of its changes, as each waits for the entity's row.
ALTER TABLE outbox DROP COLUMN published_at;
CREATE INDEX outbox_position ON outbox (position);
ALTER TABLE outbox ADD COLUMN created_at timestamptz NOT NULL DEFAULT clock_timestamp();
CREATE POLICY published ON outbox TO hookline_relay USING (true);
GRANT SELECT, DELETE ON outbox TO hookline_relay;
