"""Assets: what clients have, with what device snapshots told of it."""
