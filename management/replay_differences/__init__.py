"""Dry runs of replays: what would happen now to deliveries that were, and where it differs from what happened."""
