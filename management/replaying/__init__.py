"""What replays share: places of records, how they are read, made and published, and what is selected."""
