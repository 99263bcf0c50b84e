"""Metrics: how many requests a tenant's webhooks got in a time, how they ended, and how long it took."""
