"""Webhooks in files: read, compared with what is in force, and made so."""
