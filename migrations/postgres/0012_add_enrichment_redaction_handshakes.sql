-- What a webhook adds to a request's metadata (JSONata by name), which paths of a body are masked wherever it is shown,
-- and how a sender that asks before it sends is answered.
ALTER TABLE webhooks
    ADD COLUMN enrichment jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(enrichment) = 'object'),
    ADD COLUMN redact_paths jsonb NOT NULL DEFAULT '[]'
        CHECK (jsonb_typeof(redact_paths) = 'array' AND jsonb_array_length(redact_paths) <= 100),
    ADD COLUMN handshake jsonb CHECK (jsonb_typeof(handshake) = 'object');
