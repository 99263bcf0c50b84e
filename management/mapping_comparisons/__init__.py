"""Two mappings of a webhook over its last real requests, and saves that are refused when more of them would fail."""
