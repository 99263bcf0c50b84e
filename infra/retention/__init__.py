"""How long the log keeps what: settings in ClickHouse, what follows for a row, and what follows for old rows."""
