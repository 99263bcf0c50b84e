"""The demonstration: a fresh stack, 1,000 signed alerts, and counts that must add up."""
