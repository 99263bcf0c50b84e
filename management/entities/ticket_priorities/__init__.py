"""Ticket priorities: how urgent tickets and project tasks are."""
