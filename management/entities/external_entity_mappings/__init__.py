"""External entity mappings: which entity a sender's id means, in the namespace of a webhook."""
