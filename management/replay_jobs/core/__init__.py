"""What a replay job may do next, how fast, and when it stops by itself. Pure."""
