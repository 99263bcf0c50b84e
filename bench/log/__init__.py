"""The delivery log at a size: how fast it is filled, read, searched and exported."""
