-- One row per attempt at a provider. No foreign keys: a charge is never refused because a user or key is gone, and
-- the record of money outlives whom it is about.
CREATE TABLE model_usage (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    request_id text NOT NULL,
    attempt integer NOT NULL CHECK (attempt >= 0),
    tenant_id uuid,
    user_id uuid,
    key_id text,
    -- May be a name that the client chose.
    conversation_id text,
    model_id text NOT NULL,
    provider text NOT NULL,
    endpoint text NOT NULL,
    stream boolean NOT NULL,
    status text NOT NULL CHECK (status IN ('completed', 'failed', 'cancelled')),
    -- Disjoint counts of input tokens; reasoning is a part of output.
    input_tokens bigint NOT NULL CHECK (input_tokens >= 0),
    cache_read_tokens bigint NOT NULL CHECK (cache_read_tokens >= 0),
    cache_write_5m_tokens bigint NOT NULL CHECK (cache_write_5m_tokens >= 0),
    cache_write_1h_tokens bigint NOT NULL CHECK (cache_write_1h_tokens >= 0),
    output_tokens bigint NOT NULL CHECK (output_tokens >= 0),
    reasoning_tokens bigint NOT NULL CHECK (reasoning_tokens >= 0),
    service_tier text NOT NULL,
    cost_pico numeric(38, 0) NOT NULL CHECK (cost_pico >= 0),
    price_snapshot text NOT NULL,
    estimated boolean NOT NULL,
    response_time_ms integer NOT NULL,
    first_token_ms integer,
    error_code text,
    created_at timestamptz NOT NULL,
    UNIQUE (request_id, attempt)
);

CREATE INDEX model_usage_tenant_created ON model_usage (tenant_id, created_at);
CREATE INDEX model_usage_user_created ON model_usage (user_id, created_at);
CREATE INDEX model_usage_key_created ON model_usage (key_id, created_at);
