"""What settings are held to when they are saved: one module per part, each adding every problem it finds."""
