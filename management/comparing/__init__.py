"""What two configurations make of the same request, and where they differ."""
