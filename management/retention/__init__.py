"""How long tenants and webhooks want their log kept: from Postgres to ClickHouse, and onto the rows that are there."""
