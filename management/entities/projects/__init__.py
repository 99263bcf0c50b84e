"""Projects: work for a client in phases, made of tasks."""
