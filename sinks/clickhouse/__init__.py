"""The ClickHouse sink (role `analytics`): requests, outcomes and rejections become rows, each once."""
