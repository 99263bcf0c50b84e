-- However a webhook is deleted, with its tenant too, it is taken out of force.
CREATE FUNCTION hookline_enqueue_deleted_webhook() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
BEGIN
    INSERT INTO configuration_outbox (tenant_id, webhook_id) VALUES (OLD.tenant_id, OLD.id);
    RETURN NULL;
END
$$;
CREATE TRIGGER webhooks_enqueue_deleted AFTER DELETE ON webhooks
    FOR EACH ROW EXECUTE FUNCTION hookline_enqueue_deleted_webhook();
