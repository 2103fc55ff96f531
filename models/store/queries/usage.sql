-- name: record_usage
INSERT INTO model_usage (
    request_id, attempt, tenant_id, user_id, key_id, conversation_id, model_id, provider, endpoint, stream, status,
    input_tokens, cache_read_tokens, cache_write_5m_tokens, cache_write_1h_tokens, output_tokens, reasoning_tokens,
    service_tier, cost_pico, price_snapshot, estimated, response_time_ms, first_token_ms, error_code, created_at
)
SELECT
    request_id, attempt, tenant_id, user_id, key_id, conversation_id, model_id, provider, endpoint, stream, status,
    input_tokens, cache_read_tokens, cache_write_5m_tokens, cache_write_1h_tokens, output_tokens, reasoning_tokens,
    service_tier, cost_pico, price_snapshot, estimated, response_time_ms, first_token_ms, error_code, created_at
FROM json_to_recordset(%(rows)s::json) AS row (
    request_id text, attempt integer, tenant_id uuid, user_id uuid, key_id text, conversation_id text,
    model_id text, provider text, endpoint text, stream boolean, status text,
    input_tokens bigint, cache_read_tokens bigint, cache_write_5m_tokens bigint, cache_write_1h_tokens bigint,
    output_tokens bigint, reasoning_tokens bigint,
    service_tier text, cost_pico numeric, price_snapshot text, estimated boolean,
    response_time_ms integer, first_token_ms integer, error_code text, created_at timestamptz
)
ON CONFLICT (request_id, attempt) DO NOTHING;

-- name: usage_of_request
SELECT row_to_json(model_usage)::text
FROM model_usage
WHERE request_id = %(request_id)s
ORDER BY attempt;
