-- Vectors are used from later migrations on; the extension comes first so that a server without it is noticed now.
CREATE EXTENSION IF NOT EXISTS vector;

CREATE TABLE tenants (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name text NOT NULL UNIQUE CHECK (name <> ''),
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE users (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    tenant_id uuid NOT NULL REFERENCES tenants (id),
    name text NOT NULL CHECK (name <> ''),
    roles text[] NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (tenant_id, name)
);

CREATE TABLE api_keys (
    id text COLLATE "C" PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users (id),
    -- HMAC-SHA256 of the whole key under the server's pepper, which is not in the database.
    secret_hmac bytea NOT NULL CHECK (octet_length(secret_hmac) = 32),
    name text NOT NULL DEFAULT '',
    scopes text[] NOT NULL DEFAULT '{}',
    budget_pico numeric(38, 0) CHECK (budget_pico >= 0),
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz,
    revoked_at timestamptz
);

CREATE INDEX api_keys_user_id ON api_keys (user_id);
