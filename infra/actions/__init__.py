"""Actions as every stage sees them: the registry of definitions and the pure checks on their values."""
