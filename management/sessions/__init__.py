"""Sessions: signing in with a password, signed-in browsers, and what keeps guessers out."""
