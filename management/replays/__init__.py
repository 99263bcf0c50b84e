"""Replay jobs as callers of the API ask for them, watch them and stop them."""
