-- For what was written before 0015; it goes on in the background, and reads are right before it is done.
ALTER TABLE deliveries
    MATERIALIZE INDEX by_idempotency_key,
    MATERIALIZE INDEX by_trace_id,
    MATERIALIZE INDEX by_entity_id
