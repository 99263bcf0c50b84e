"""Event types: JSON Schemas of Hookline's own events and of those a tenant declares for its senders."""
