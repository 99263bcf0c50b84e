"""Samples: the next verified body of a webhook, kept to build its mapping from."""
