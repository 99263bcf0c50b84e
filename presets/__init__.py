"""One file per sender: how it proves itself, what it asks for first, and samples with their signatures. No code."""
