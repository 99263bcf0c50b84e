"""The ClickHouse sink (role `analytics`): requests, outcomes, rejections and attestations become rows, each once."""
