-- What enrichment and redaction add. Columns of the request group: `body_redacted`, the sender's software and place.
-- `metadata` is JSON, of the outcome groups as `handler_outcome` is ('' for none).
ALTER TABLE deliveries
    ADD COLUMN IF NOT EXISTS body_redacted Nullable(Bool),
    ADD COLUMN IF NOT EXISTS user_agent_browser LowCardinality(Nullable(String)),
    ADD COLUMN IF NOT EXISTS user_agent_os LowCardinality(Nullable(String)),
    ADD COLUMN IF NOT EXISTS user_agent_device LowCardinality(Nullable(String)),
    ADD COLUMN IF NOT EXISTS location_country_code LowCardinality(Nullable(String)) COMMENT 'ISO 3166-1 alpha-2',
    ADD COLUMN IF NOT EXISTS location_country LowCardinality(Nullable(String)),
    ADD COLUMN IF NOT EXISTS location_region Nullable(String) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS location_city Nullable(String) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS location_latitude Nullable(Float64),
    ADD COLUMN IF NOT EXISTS location_longitude Nullable(Float64),
    ADD COLUMN IF NOT EXISTS location_time_zone LowCardinality(Nullable(String)),
    ADD COLUMN IF NOT EXISTS location_asn Nullable(UInt32),
    ADD COLUMN IF NOT EXISTS location_organisation LowCardinality(Nullable(String)),
    ADD COLUMN IF NOT EXISTS processed_metadata Nullable(String) CODEC(ZSTD(1)) COMMENT 'JSON',
    ADD COLUMN IF NOT EXISTS handled_metadata Nullable(String) CODEC(ZSTD(1)) COMMENT 'JSON',
    ADD COLUMN IF NOT EXISTS metadata String
        ALIAS ifNull(if(isNull(handled_status), processed_metadata, handled_metadata), '');
