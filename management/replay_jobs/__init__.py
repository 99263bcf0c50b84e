"""Replay jobs as they are done: planned, gone through batch by batch, and watched; one management process leads."""
