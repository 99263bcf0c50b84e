-- What is said on tickets, and tags on entities of several types.
CREATE TABLE ticket_comments (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    ticket_id uuid NOT NULL,
    content text NOT NULL CHECK (char_length(content) BETWEEN 1 AND 100000),
    author_type text NOT NULL CHECK (author_type IN ('user', 'contact', 'webhook')),
    user_id uuid,
    contact_id uuid,
    webhook_id uuid,
    delivery_id uuid,
    is_internal boolean NOT NULL,
    is_resolution boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT ticket_comments_ticket_fkey
        FOREIGN KEY (tenant_id, ticket_id) REFERENCES tickets (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT ticket_comments_user_fkey FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id),
    CONSTRAINT ticket_comments_contact_fkey FOREIGN KEY (tenant_id, contact_id) REFERENCES contacts (tenant_id, id),
    CONSTRAINT ticket_comments_one_author CHECK (
        (user_id IS NOT NULL) = (author_type = 'user') AND (contact_id IS NOT NULL) = (author_type = 'contact')
        AND (author_type <> 'webhook' OR webhook_id IS NOT NULL)
    ),
    CONSTRAINT ticket_comments_contacts_are_public CHECK (author_type <> 'contact' OR NOT is_internal)
);
CREATE INDEX ticket_comments_ticket ON ticket_comments (tenant_id, ticket_id, created_at);
SELECT hookline_secure_table('ticket_comments');

CREATE TABLE tags (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    id uuid NOT NULL,
    tag_text text NOT NULL CHECK (char_length(tag_text) BETWEEN 1 AND 50 AND tag_text = btrim(tag_text)),
    background_color text CHECK (background_color ~* '^#[0-9a-f]{6}$'),
    text_color text CHECK (text_color ~* '^#[0-9a-f]{6}$'),
    created_by uuid,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT tags_created_by_fkey FOREIGN KEY (tenant_id, created_by) REFERENCES users (tenant_id, id)
);
CREATE UNIQUE INDEX tags_text_key ON tags (tenant_id, lower(tag_text));
SELECT hookline_secure_table('tags');

-- No foreign key can lead to several tables: the triggers below keep links and mappings to what is there.
CREATE TABLE entity_tags (
    tenant_id uuid NOT NULL,
    tag_id uuid NOT NULL,
    entity_type text NOT NULL
        CHECK (entity_type IN ('client', 'contact', 'ticket', 'asset', 'project', 'project_task')),
    entity_id uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, entity_type, entity_id, tag_id),
    CONSTRAINT entity_tags_tag_fkey FOREIGN KEY (tenant_id, tag_id) REFERENCES tags (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX entity_tags_tag ON entity_tags (tenant_id, tag_id);
SELECT hookline_secure_table('entity_tags');

CREATE INDEX external_entity_mappings_entity ON external_entity_mappings (tenant_id, entity_type, entity_id);

CREATE FUNCTION hookline_forget_entity() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM external_entity_mappings
    WHERE tenant_id = OLD.tenant_id AND entity_type = TG_ARGV[0] AND entity_id = OLD.id;
    DELETE FROM entity_tags WHERE tenant_id = OLD.tenant_id AND entity_type = TG_ARGV[0] AND entity_id = OLD.id;
    RETURN NULL;
END
$$;
CREATE TRIGGER clients_forget AFTER DELETE ON clients
    FOR EACH ROW EXECUTE FUNCTION hookline_forget_entity('client');
CREATE TRIGGER contacts_forget AFTER DELETE ON contacts
    FOR EACH ROW EXECUTE FUNCTION hookline_forget_entity('contact');
CREATE TRIGGER assets_forget AFTER DELETE ON assets
    FOR EACH ROW EXECUTE FUNCTION hookline_forget_entity('asset');
CREATE TRIGGER tickets_forget AFTER DELETE ON tickets
    FOR EACH ROW EXECUTE FUNCTION hookline_forget_entity('ticket');
CREATE TRIGGER invoices_forget AFTER DELETE ON invoices
    FOR EACH ROW EXECUTE FUNCTION hookline_forget_entity('invoice');
CREATE TRIGGER projects_forget AFTER DELETE ON projects
    FOR EACH ROW EXECUTE FUNCTION hookline_forget_entity('project');
CREATE TRIGGER project_tasks_forget AFTER DELETE ON project_tasks
    FOR EACH ROW EXECUTE FUNCTION hookline_forget_entity('project_task');
CREATE TRIGGER time_entries_forget AFTER DELETE ON time_entries
    FOR EACH ROW EXECUTE FUNCTION hookline_forget_entity('time_entry');
