"""Pure decisions about actions: coercion of mapped values, options, and faults of definitions."""
