-- Failed sign-ins are counted for addresses, and for tenants that do not exist, in the same way as for those that do:
-- else a refusal would tell which tenants there are. Such rows belong to the nil tenant, which is no tenant.
ALTER TABLE sign_in_failures DROP CONSTRAINT sign_in_failures_tenant_id_fkey;
CREATE INDEX sign_in_failures_by_age ON sign_in_failures (tenant_id, window_started_at);
