"""Secrets of webhooks: set, rotated with an overlap, and never shown again."""
