"""Every record that crosses a topic: headers, keys and values, encoded and decoded in one place."""
