"""Replays of single deliveries: the same request once more, as it came or with another body."""
