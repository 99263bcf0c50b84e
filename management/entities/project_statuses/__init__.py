"""Project statuses: where tasks stand, of one project or of all."""
