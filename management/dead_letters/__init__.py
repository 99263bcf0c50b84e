"""Records that could not be processed: listed, shown, and given another try."""
