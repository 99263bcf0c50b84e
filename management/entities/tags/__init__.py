"""Tags on entities of several types."""
