-- Who presents an API key is not known before the key is found, so no tenant can be set yet. This policy shows the one
-- row whose hash was presented in this transaction, and nothing else: whoever has the hash's key may know of its row.
CREATE POLICY presented_key ON api_keys FOR SELECT
    USING (key_hash = decode(nullif(current_setting('hookline.presented_key_hash', true), ''), 'hex'));
