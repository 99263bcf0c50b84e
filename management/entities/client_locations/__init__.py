"""Client locations: where a client's people and assets are."""
