"""Erasures: a body, or everything that holds a value, deleted from the log, with a receipt."""
