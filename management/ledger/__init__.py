"""The ledger of a tenant: entries that are kept and chained, differences that are open, and their verification."""
