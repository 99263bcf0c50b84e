-- For what was written before 0026; it goes on in the background, and reads are right before it is done.
ALTER TABLE deliveries MATERIALIZE INDEX by_handled_entity_id
