"""Explanations: why a request is, or is not, taken by a webhook as it is configured; nothing is sent or kept."""
