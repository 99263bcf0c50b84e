"""Pure decisions of the ClickHouse sink: which records make a batch, and which rows they are."""
