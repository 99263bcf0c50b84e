"""What every writer of entities keeps to: how they are named and shown, what is told of their changes, the outbox."""
