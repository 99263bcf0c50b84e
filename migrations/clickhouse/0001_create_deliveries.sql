-- One row per delivery once merged. The request consumer fills the request columns, the outcome consumer the columns
-- `processed_*` (stage processors) and `handled_*` (stages actions and workflows). Each group is written whole, with ''
-- for "none", so that the last non-null value of every column of a group is of the same record.
-- The aliases say what callers read: what handled the delivery goes before what processed it, in whichever order
-- the records arrived. Read with FINAL.
CREATE TABLE IF NOT EXISTS deliveries
(
    tenant_id UUID,
    webhook_id UUID,
    received_at DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    delivery_id UUID,

    config_version Nullable(UInt64),
    idempotency_key Nullable(String),
    request_method LowCardinality(Nullable(String)),
    request_path Nullable(String) CODEC(ZSTD(1)),
    request_query Nullable(String) CODEC(ZSTD(1)) COMMENT 'JSON object of text',
    request_headers Nullable(String) CODEC(ZSTD(1)) COMMENT 'JSON object of text, names in lower case',
    content_type Nullable(String) CODEC(ZSTD(1)),
    body Nullable(String) CODEC(ZSTD(1)) TTL toDateTime(received_at) + INTERVAL 30 DAY,
    body_bytes Nullable(UInt32) DEFAULT length(body),
    body_head Nullable(String) DEFAULT left(body, 1024) CODEC(ZSTD(1)),
    source_ip Nullable(String) CODEC(ZSTD(1)),
    user_agent Nullable(String) CODEC(ZSTD(1)),
    invalid_json Nullable(Bool),
    ingress_us Nullable(UInt64),
    is_test Nullable(Bool),
    replay_id Nullable(String),
    replayed_from Nullable(String),
    replay_mode LowCardinality(Nullable(String)),
    trace_id Nullable(String),
    raw_topic LowCardinality(Nullable(String)),
    raw_incarnation LowCardinality(Nullable(String)),
    raw_partition Nullable(UInt32),
    raw_offset Nullable(UInt64),

    processed_status LowCardinality(Nullable(String)),
    processed_at Nullable(DateTime64(6, 'UTC')),
    processed_outcome Nullable(String) CODEC(ZSTD(1)) COMMENT 'JSON',
    processed_error_code LowCardinality(Nullable(String)),
    processed_error_message Nullable(String) CODEC(ZSTD(1)),
    processed_error_path Nullable(String) CODEC(ZSTD(1)),
    processed_duplicate_of Nullable(String),
    processed_attempts Nullable(UInt32),
    processed_incarnation LowCardinality(Nullable(String)),
    processed_partition Nullable(UInt32),
    processed_offset Nullable(UInt64),

    handled_status LowCardinality(Nullable(String)),
    handled_at Nullable(DateTime64(6, 'UTC')),
    handled_outcome Nullable(String) CODEC(ZSTD(1)) COMMENT 'JSON',
    handled_error_code LowCardinality(Nullable(String)),
    handled_error_message Nullable(String) CODEC(ZSTD(1)),
    handled_error_path Nullable(String) CODEC(ZSTD(1)),
    handled_duplicate_of Nullable(String),
    handled_attempts Nullable(UInt32),
    handled_incarnation LowCardinality(Nullable(String)),
    handled_partition Nullable(UInt32),
    handled_offset Nullable(UInt64),

    dispatch_status String ALIAS coalesce(handled_status, processed_status, 'pending'),
    recorded_at Nullable(DateTime64(6, 'UTC')) ALIAS coalesce(handled_at, processed_at),
    handler_outcome String ALIAS ifNull(if(isNull(handled_status), processed_outcome, handled_outcome), ''),
    error_code String ALIAS ifNull(if(isNull(handled_status), processed_error_code, handled_error_code), ''),
    error_message String ALIAS ifNull(if(isNull(handled_status), processed_error_message, handled_error_message), ''),
    error_path String ALIAS ifNull(if(isNull(handled_status), processed_error_path, handled_error_path), ''),
    duplicate_of String ALIAS ifNull(if(isNull(handled_status), processed_duplicate_of, handled_duplicate_of), ''),
    attempts UInt32 ALIAS ifNull(if(isNull(handled_status), processed_attempts, handled_attempts), 0),
    webhook_slug String ALIAS splitByChar('/', ifNull(request_path, ''))[5],
    response_status Nullable(UInt16) ALIAS if(isNull(invalid_json), NULL, if(invalid_json, 400, 200))
)
ENGINE = CoalescingMergeTree
PARTITION BY toYYYYMM(received_at)
ORDER BY (tenant_id, webhook_id, received_at, delivery_id)
SETTINGS non_replicated_deduplication_window = 50000, replicated_deduplication_window = 50000;
