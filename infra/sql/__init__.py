"""SQL of people: read-only, bounded, and for one tenant where that is asked for."""
