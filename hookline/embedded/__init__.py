"""The embedded stack's parts: Apache Kafka and Postgres as child processes of one machine, without Docker."""
