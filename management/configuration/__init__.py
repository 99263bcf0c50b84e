"""A webhook's configuration on its way from Postgres to every process: outbox, records, relay."""
