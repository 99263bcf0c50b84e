"""Contacts: the people of clients."""
