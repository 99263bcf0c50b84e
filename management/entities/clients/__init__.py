"""Clients: whom the work is done for."""
