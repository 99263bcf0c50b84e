"""Ticket comments: what is said on a ticket."""
