"""Domain events on their way from the outbox in Postgres to everybody who reads their topic."""
