-- Volume discounts. Whoever has spent `from_pico` or more in the running month (UTC, at list prices) pays so many
-- basis points less from then on. Tiers of a tenant (no `user_id`) count all that it spends.
CREATE TABLE volume_tiers (
    tenant_id uuid NOT NULL REFERENCES tenants (id),
    user_id uuid REFERENCES users (id),
    from_pico numeric(38, 0) NOT NULL CHECK (from_pico >= 0),
    basis_points integer NOT NULL CHECK (basis_points BETWEEN 0 AND 10000),
    UNIQUE NULLS NOT DISTINCT (tenant_id, user_id, from_pico)
);

-- What the volume has earned so far, brought up to date by a job: no key's look-up adds up a month.
CREATE TABLE volume_discounts (
    tenant_id uuid NOT NULL,
    user_id uuid,
    month timestamptz NOT NULL,
    volume_pico numeric(38, 0) NOT NULL,
    basis_points integer NOT NULL,
    UNIQUE NULLS NOT DISTINCT (tenant_id, user_id)
);
