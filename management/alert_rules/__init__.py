"""Alert rules: their parameters as they are in force, and what a tenant changes of them."""
