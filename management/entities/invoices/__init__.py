"""Invoices: what a client was billed, and whether it is paid."""
