"""Deliveries: what became of each accepted request."""
