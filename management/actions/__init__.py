"""Actions: what a webhook can be made to do, as this installation has them."""
