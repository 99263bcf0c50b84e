"""Hookline's own alerts: what is measured, what it means, and what is raised or resolved because of it."""
