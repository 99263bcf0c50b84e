"""Inbound webhooks: what a tenant configures to receive, and what came of it."""
