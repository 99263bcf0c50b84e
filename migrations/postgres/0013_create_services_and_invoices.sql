-- What is sold, and what was billed. Tables of earlier releases get the times by which the API lists them.
CREATE TABLE services (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    id uuid NOT NULL,
    name text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 255),
    is_active boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX services_name_key ON services (tenant_id, lower(name));
SELECT hookline_secure_table('services');

-- Paid exactly when it has a time of payment. A cancelled invoice stays cancelled: the actions refuse to change it.
CREATE TABLE invoices (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    client_id uuid NOT NULL,
    number text NOT NULL CHECK (char_length(number) BETWEEN 1 AND 255),
    status text NOT NULL DEFAULT 'draft' CHECK (
        status IN ('draft', 'sent', 'paid', 'overdue', 'cancelled', 'pending', 'prepayment', 'partially_applied')
    ),
    total_minor bigint NOT NULL DEFAULT 0,
    currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    paid_at timestamptz,
    payment_reference text CHECK (char_length(payment_reference) BETWEEN 1 AND 255),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT invoices_client_fkey FOREIGN KEY (tenant_id, client_id) REFERENCES clients (tenant_id, id),
    CONSTRAINT invoices_paid_has_time CHECK ((status = 'paid') = (paid_at IS NOT NULL)),
    CONSTRAINT invoices_reference_of_payment CHECK (payment_reference IS NULL OR status = 'paid')
);
CREATE UNIQUE INDEX invoices_number_key ON invoices (tenant_id, lower(number));
CREATE INDEX invoices_client ON invoices (tenant_id, client_id);
SELECT hookline_secure_table('invoices');

ALTER TABLE teams
    ADD COLUMN created_at timestamptz NOT NULL DEFAULT now(), ADD COLUMN updated_at timestamptz NOT NULL DEFAULT now();
ALTER TABLE boards
    ADD COLUMN created_at timestamptz NOT NULL DEFAULT now(), ADD COLUMN updated_at timestamptz NOT NULL DEFAULT now();
ALTER TABLE ticket_statuses
    ADD COLUMN created_at timestamptz NOT NULL DEFAULT now(), ADD COLUMN updated_at timestamptz NOT NULL DEFAULT now();
ALTER TABLE ticket_priorities
    ADD COLUMN created_at timestamptz NOT NULL DEFAULT now(), ADD COLUMN updated_at timestamptz NOT NULL DEFAULT now();
ALTER TABLE ticket_categories
    ADD COLUMN created_at timestamptz NOT NULL DEFAULT now(), ADD COLUMN updated_at timestamptz NOT NULL DEFAULT now();
ALTER TABLE client_locations
    ADD COLUMN created_at timestamptz NOT NULL DEFAULT now(), ADD COLUMN updated_at timestamptz NOT NULL DEFAULT now();
