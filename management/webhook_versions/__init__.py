"""Versions of webhooks: what each was, who made it, and the way back to it."""
