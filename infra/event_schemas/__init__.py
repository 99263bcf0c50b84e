"""JSON Schemas of event types: is one fit for use, and does a new version accept all that the old one did."""
