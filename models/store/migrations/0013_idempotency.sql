-- Requests that are answered once, however often they are sent: one row for each key of a user, for a day.
CREATE TABLE idempotency_keys (
    tenant_id uuid NOT NULL,
    user_id uuid NOT NULL,
    -- Keyed digests: of the key, and of what was asked with it.
    name bytea NOT NULL CHECK (octet_length(name) = 32),
    digest bytea NOT NULL CHECK (octet_length(digest) = 32),
    state text NOT NULL CHECK (state IN ('in_flight', 'done', 'failed')),
    -- The request that is, or was last, at it.
    request_id text NOT NULL,
    -- Until when it is taken to be alive.
    lease_until timestamptz NOT NULL,
    -- Earlier requests that were at it when whoever served them died.
    lost text[] NOT NULL DEFAULT '{}',
    -- Sealed. Null of one that is done: it was too large to be kept.
    answer bytea,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, user_id, name)
);

-- What is sealed cannot be compressed.
ALTER TABLE idempotency_keys ALTER COLUMN answer SET STORAGE EXTERNAL;

CREATE INDEX idempotency_keys_expiry ON idempotency_keys (expires_at);
