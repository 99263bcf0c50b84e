"""Alerts of a tenant: what Hookline found wrong with its webhooks, and who looks after it."""
