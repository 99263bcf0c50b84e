"""Interactions: calls, visits and the like with a client."""
