-- What filters of the log ask for. `priority` is of the request group: the webhook's when the request came (null: written
-- by a release before). The outcome groups say which handler a delivery was for, '' where nobody knew; rows of a release
-- before have only what their outcome names. `handled_entity_*` stand in the outcome too: as columns they are narrow.
ALTER TABLE deliveries
    ADD COLUMN IF NOT EXISTS priority Nullable(UInt8),
    ADD COLUMN IF NOT EXISTS processed_handler LowCardinality(Nullable(String)),
    ADD COLUMN IF NOT EXISTS processed_action LowCardinality(Nullable(String)),
    ADD COLUMN IF NOT EXISTS handled_handler LowCardinality(Nullable(String))
        DEFAULT if(isNull(handled_outcome), NULL, if(JSONHas(handled_outcome, 'action'), 'action', '')),
    ADD COLUMN IF NOT EXISTS handled_action LowCardinality(Nullable(String))
        DEFAULT JSONExtractString(handled_outcome, 'action'),
    ADD COLUMN IF NOT EXISTS handled_entity_type LowCardinality(Nullable(String))
        DEFAULT JSONExtractString(handled_outcome, 'entity_type'),
    ADD COLUMN IF NOT EXISTS handled_entity_id Nullable(String)
        DEFAULT JSONExtractString(handled_outcome, 'entity_id'),
    ADD COLUMN IF NOT EXISTS handler String
        ALIAS ifNull(if(isNull(handled_status), processed_handler, handled_handler), ''),
    ADD COLUMN IF NOT EXISTS action String
        ALIAS ifNull(if(isNull(handled_status), processed_action, handled_action), ''),
    ADD COLUMN IF NOT EXISTS entity_type String ALIAS ifNull(handled_entity_type, ''),
    ADD COLUMN IF NOT EXISTS entity_id String ALIAS ifNull(handled_entity_id, '');
