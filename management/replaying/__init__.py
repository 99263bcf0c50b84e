"""What a replay is made of: places in topics, the records that stand there, and the same requests published again."""
