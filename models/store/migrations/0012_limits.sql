-- Limits per minute, and of what may be under way at once.
CREATE TABLE rate_limits (
    id uuid PRIMARY KEY,
    -- Whose administrators have set it; null: those who run the installation.
    tenant_id uuid REFERENCES tenants (id),
    scope text NOT NULL CHECK (scope IN ('everyone', 'tenant', 'team', 'user', 'key')),
    -- Null: each one of the scope has as much, apart; of `everyone`, all together.
    owner text CHECK (owner <> ''),
    model text CHECK (model <> ''),
    provider text CHECK (provider <> ''),
    measure text NOT NULL CHECK (
        measure IN ('requests', 'tokens', 'input_tokens', 'output_tokens', 'spend', 'concurrent')
    ),
    -- Per minute, of `concurrent` at once; of `spend` in pico-USD.
    amount bigint NOT NULL CHECK (amount > 0),
    -- As much may be had at once after a pause.
    burst bigint NOT NULL CHECK (burst > 0),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CHECK (scope <> 'everyone' OR (tenant_id IS NULL AND owner IS NULL)),
    CHECK (model IS NULL OR provider IS NULL),
    UNIQUE NULLS NOT DISTINCT (tenant_id, scope, owner, model, provider, measure)
);

-- Another number after each change: who keeps the limits in memory looks at it.
CREATE TABLE rate_limits_version (
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    version bigint NOT NULL
);

INSERT INTO rate_limits_version (version) VALUES (0);
