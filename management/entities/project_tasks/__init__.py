"""Project tasks: what is to be done in a phase of a project."""
