"""What the ledger decides: counts that must agree, differences between them, the chain of entries. Pure."""
