"""The ledger's look at what there is: counts of the log, places in the topics, and what differs; for all tenants."""
