"""Clients and plumbing shared by the stages: Kafka, Postgres, ClickHouse, settings, logging, metrics."""
