"""Presets: the senders this installation knows, how each proves itself, and what to enter where."""
