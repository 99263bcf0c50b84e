"""Ticket statuses: where a ticket stands, on a board of their own."""
