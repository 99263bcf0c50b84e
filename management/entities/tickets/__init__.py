"""Tickets: what clients need, on boards."""
