"""Time entries: who worked on what, and how long."""
