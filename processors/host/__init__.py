"""The batch host: Faust keeps the group, the assignment, the tables and the agents; the host hands out fetched batches.

See docs/adr/0002-batch-host.md for why the fetch is not Faust's.
"""
