-- name: limits
-- For the transaction only. Many groups are sorted and hashed in memory.
SELECT set_config('work_mem', '64MB', true), set_config('statement_timeout', %(milliseconds)s::text, true);

-- name: usage
-- Each bucket is a range of the index, so that the planner knows how few groups it holds. Dimensions that are not
-- asked for are constants. Bucket numbers up to `compared` are the period before and do not rank groups.
WITH cells AS MATERIALIZED (
    SELECT b.bucket, c.*
    FROM unnest(%(starts)s::timestamptz[], %(ends)s::timestamptz[]) WITH ORDINALITY AS b (starts, ends, bucket)
    CROSS JOIN LATERAL (
        SELECT
            CASE WHEN 'model' = ANY (%(group_by)s::text[]) THEN u.model_id ELSE '' END AS model,
            CASE WHEN 'provider' = ANY (%(group_by)s::text[]) THEN u.provider ELSE '' END AS provider,
            CASE WHEN 'user' = ANY (%(group_by)s::text[]) THEN coalesce(u.user_id::text, '') ELSE '' END AS user_,
            CASE WHEN 'team' = ANY (%(group_by)s::text[]) THEN coalesce(u.team_id::text, '') ELSE '' END AS team,
            CASE WHEN 'key' = ANY (%(group_by)s::text[]) THEN coalesce(u.key_id, '') ELSE '' END AS key_,
            CASE WHEN 'task' = ANY (%(group_by)s::text[]) THEN coalesce(u.task, '') ELSE '' END AS task,
            CASE
                WHEN 'conversation' = ANY (%(group_by)s::text[]) THEN coalesce(u.conversation_id, '') ELSE ''
            END AS conversation,
            CASE WHEN 'status' = ANY (%(group_by)s::text[]) THEN u.status ELSE '' END AS status,
            CASE WHEN 'endpoint' = ANY (%(group_by)s::text[]) THEN u.endpoint ELSE '' END AS endpoint,
            count(*) AS calls,
            count(*) FILTER (WHERE u.attempt = 0) AS requests,
            count(*) FILTER (WHERE u.status IN ('failed', 'expired')) AS errors,
            count(*) FILTER (WHERE u.status = 'cancelled') AS cancelled,
            count(*) FILTER (WHERE u.estimated) AS estimated_calls,
            sum(u.input_tokens) AS input_tokens,
            sum(u.cache_read_tokens) AS cache_read_tokens,
            sum(u.cache_write_5m_tokens) AS cache_write_5m_tokens,
            sum(u.cache_write_1h_tokens) AS cache_write_1h_tokens,
            sum(u.output_tokens) AS output_tokens,
            sum(u.reasoning_tokens) AS reasoning_tokens,
            sum(u.cost_pico) AS spend_pico,
            sum(u.discount_pico) AS discount_pico,
            sum(u.saved_pico) AS saved_pico,
            coalesce(sum(u.cost_pico) FILTER (WHERE u.estimated), 0) AS estimated_pico
        FROM model_usage AS u
        WHERE
            u.tenant_id = %(tenant_id)s::uuid AND u.created_at >= b.starts AND u.created_at < b.ends
            AND (%(models)s::text[] IS NULL OR u.model_id = ANY (%(models)s::text[]))
            AND (%(providers)s::text[] IS NULL OR u.provider = ANY (%(providers)s::text[]))
            AND (%(users)s::uuid[] IS NULL OR u.user_id = ANY (%(users)s::uuid[]))
            AND (%(teams)s::uuid[] IS NULL OR u.team_id = ANY (%(teams)s::uuid[]))
            AND (%(keys)s::text[] IS NULL OR u.key_id = ANY (%(keys)s::text[]))
            AND (%(tasks)s::text[] IS NULL OR u.task = ANY (%(tasks)s::text[]))
            AND (%(conversations)s::text[] IS NULL OR u.conversation_id = ANY (%(conversations)s::text[]))
            AND (%(statuses)s::text[] IS NULL OR u.status = ANY (%(statuses)s::text[]))
            AND (%(endpoints)s::text[] IS NULL OR u.endpoint = ANY (%(endpoints)s::text[]))
        GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9
    ) AS c
),
top AS (
    SELECT model, provider, user_, team, key_, task, conversation, status, endpoint, true AS named
    FROM cells
    WHERE bucket > %(compared)s
    GROUP BY model, provider, user_, team, key_, task, conversation, status, endpoint
    ORDER BY sum(spend_pico) DESC, 1, 2, 3, 4, 5, 6, 7, 8, 9
    LIMIT %(groups)s
)
SELECT row_to_json(r)::text
FROM (
    SELECT
        c.bucket, t.named IS NULL AS other,
        t.model, t.provider, t.user_ AS user, t.team, t.key_ AS key, t.task, t.conversation, t.status, t.endpoint,
        (SELECT name FROM users WHERE tenant_id = %(tenant_id)s::uuid AND id = nullif(t.user_, '')::uuid) AS user_name,
        (SELECT name FROM teams WHERE tenant_id = %(tenant_id)s::uuid AND id = nullif(t.team, '')::uuid) AS team_name,
        (SELECT name FROM api_keys WHERE id = t.key_) AS key_name,
        sum(c.calls) AS calls,
        sum(c.requests) AS requests,
        sum(c.errors) AS errors,
        sum(c.cancelled) AS cancelled,
        sum(c.estimated_calls) AS estimated_calls,
        sum(c.input_tokens) AS input_tokens,
        sum(c.cache_read_tokens) AS cache_read_tokens,
        sum(c.cache_write_5m_tokens) AS cache_write_5m_tokens,
        sum(c.cache_write_1h_tokens) AS cache_write_1h_tokens,
        sum(c.output_tokens) AS output_tokens,
        sum(c.reasoning_tokens) AS reasoning_tokens,
        sum(c.spend_pico) AS spend_pico,
        sum(c.discount_pico) AS discount_pico,
        sum(c.saved_pico) AS saved_pico,
        sum(c.estimated_pico) AS estimated_pico
    FROM cells AS c
    LEFT JOIN top AS t USING (model, provider, user_, team, key_, task, conversation, status, endpoint)
    GROUP BY
        c.bucket, t.named,
        t.model, t.provider, t.user_, t.team, t.key_, t.task, t.conversation, t.status, t.endpoint
) AS r;

-- name: daily_spend
SELECT
    (
        SELECT coalesce(sum(u.cost_pico), 0)
        FROM model_usage AS u
        WHERE
            u.tenant_id = %(tenant_id)s::uuid AND u.created_at >= d.starts AND u.created_at < d.ends
            AND (%(models)s::text[] IS NULL OR u.model_id = ANY (%(models)s::text[]))
            AND (%(providers)s::text[] IS NULL OR u.provider = ANY (%(providers)s::text[]))
            AND (%(users)s::uuid[] IS NULL OR u.user_id = ANY (%(users)s::uuid[]))
            AND (%(teams)s::uuid[] IS NULL OR u.team_id = ANY (%(teams)s::uuid[]))
            AND (%(keys)s::text[] IS NULL OR u.key_id = ANY (%(keys)s::text[]))
            AND (%(tasks)s::text[] IS NULL OR u.task = ANY (%(tasks)s::text[]))
            AND (%(conversations)s::text[] IS NULL OR u.conversation_id = ANY (%(conversations)s::text[]))
            AND (%(statuses)s::text[] IS NULL OR u.status = ANY (%(statuses)s::text[]))
            AND (%(endpoints)s::text[] IS NULL OR u.endpoint = ANY (%(endpoints)s::text[]))
    )::text
FROM unnest(%(starts)s::timestamptz[], %(ends)s::timestamptz[]) WITH ORDINALITY AS d (starts, ends, day)
ORDER BY d.day;

-- name: shapes
-- Completed calls of tokens alone by what they could be re-priced as. `size` is the class of the whole input between
-- `edges`; nobody watches the calls of a key that has streamed nothing. The range comes as a row so that the planner
-- does not count on groups by the million.
WITH cells AS MATERIALIZED (
    SELECT c.*
    FROM unnest(ARRAY[%(start)s::timestamptz], ARRAY[%(end)s::timestamptz]) AS b (starts, ends)
    CROSS JOIN LATERAL (
        SELECT
            u.key_id, u.model_id, u.service_tier,
            width_bucket(t.total_input - 1, %(edges)s::bigint[]) AS size,
            u.attempt = 0 AND CASE
                WHEN u.task IS NULL THEN
                    t.total_input <= %(untold_input)s AND u.output_tokens <= %(untold_output)s
                    AND u.reasoning_tokens <= %(untold_reasoning)s
                ELSE
                    u.task = ANY (%(simple_tasks)s::text[])
                    AND t.total_input <= %(told_input)s AND u.output_tokens <= %(told_output)s
            END AS simple,
            u.endpoint = ANY (%(background)s::text[]) AS background,
            count(*) AS calls,
            bool_or(u.stream) AS streamed,
            sum(u.cost_pico + u.discount_pico) AS list_pico,
            sum(u.input_tokens) AS input_tokens,
            sum(u.cache_read_tokens) AS cache_read_tokens,
            sum(u.cache_write_5m_tokens) AS cache_write_5m_tokens,
            sum(u.cache_write_1h_tokens) AS cache_write_1h_tokens,
            sum(u.output_tokens) AS output_tokens,
            sum(u.reasoning_tokens) AS reasoning_tokens
        FROM model_usage AS u
        CROSS JOIN LATERAL (
            SELECT
                u.input_tokens + u.cache_read_tokens + u.cache_write_5m_tokens + u.cache_write_1h_tokens AS total_input
        ) AS t
        WHERE
            u.tenant_id = %(tenant_id)s::uuid AND u.created_at >= b.starts AND u.created_at < b.ends
            AND (%(user_id)s::uuid IS NULL OR u.user_id = %(user_id)s::uuid)
            AND u.status = 'completed' AND u.usage_details IS NULL
        GROUP BY 1, 2, 3, 4, 5, 6
    ) AS c
)
SELECT row_to_json(r)::text
FROM (
    SELECT
        model_id, service_tier, size, simple, background OR NOT watched AS unattended,
        sum(calls) AS calls,
        sum(list_pico) AS list_pico,
        sum(input_tokens) AS input_tokens,
        sum(cache_read_tokens) AS cache_read_tokens,
        sum(cache_write_5m_tokens) AS cache_write_5m_tokens,
        sum(cache_write_1h_tokens) AS cache_write_1h_tokens,
        sum(output_tokens) AS output_tokens,
        sum(reasoning_tokens) AS reasoning_tokens
    FROM (SELECT *, bool_or(streamed) OVER (PARTITION BY key_id) AS watched FROM cells) AS c
    GROUP BY 1, 2, 3, 4, 5
) AS r;

-- name: turns
-- What a conversation's turns have in common with the turn before, as far as sizes tell: the shorter of the two
-- inputs. `missed` of it was paid for as new input; `unwritten` is what a cache would have had to store for that.
WITH turns AS (
    SELECT
        model_id, service_tier, total_input, input_tokens, cache_read_tokens,
        cache_write_5m_tokens + cache_write_1h_tokens AS written,
        CASE
            WHEN created_at - lag(created_at) OVER turn <= %(kept)s::interval
                THEN least(lag(total_input) OVER turn, total_input)
        END AS seen,
        CASE
            WHEN lead(created_at) OVER turn - created_at <= %(kept)s::interval
                THEN least(lead(total_input) OVER turn, total_input)
        END AS wanted
    FROM (
        SELECT
            *,
            input_tokens + cache_read_tokens + cache_write_5m_tokens + cache_write_1h_tokens AS total_input
        FROM model_usage
        WHERE
            tenant_id = %(tenant_id)s::uuid AND created_at >= %(start)s AND created_at < %(end)s
            AND (%(user_id)s::uuid IS NULL OR user_id = %(user_id)s::uuid)
            AND status = 'completed' AND usage_details IS NULL AND conversation_id IS NOT NULL
            AND input_tokens + cache_read_tokens + cache_write_5m_tokens + cache_write_1h_tokens >= %(shortest)s
    ) AS long_enough
    WINDOW turn AS (PARTITION BY user_id, conversation_id, model_id ORDER BY created_at, request_id, attempt)
)
SELECT row_to_json(r)::text
FROM (
    SELECT
        model_id, service_tier,
        width_bucket(total_input - 1, %(edges)s::bigint[]) AS size,
        count(*) FILTER (WHERE seen IS NOT NULL) AS followups,
        coalesce(sum(total_input) FILTER (WHERE seen IS NOT NULL), 0) AS total_input,
        coalesce(sum(cache_read_tokens) FILTER (WHERE seen IS NOT NULL), 0) AS read,
        coalesce(sum(least(greatest(seen - cache_read_tokens, 0), input_tokens)), 0) AS missed,
        coalesce(
            sum(least(greatest(wanted - greatest(seen, cache_read_tokens) - written, 0), input_tokens)), 0
        ) AS unwritten
    FROM turns
    GROUP BY 1, 2, 3
) AS r;

-- name: repeats
-- The same request of the same user more than once within a day; the dearest call of each is the one that is kept.
WITH repeated AS (
    SELECT r.*
    FROM unnest(%(starts)s::timestamptz[], %(ends)s::timestamptz[]) AS b (starts, ends)
    CROSS JOIN LATERAL (
        SELECT
            u.model_id,
            min(u.request_id) AS example,
            count(*) AS calls,
            sum(u.cost_pico) AS spend_pico,
            sum(u.cost_pico) - max(u.cost_pico) AS avoidable_pico
        FROM model_usage AS u
        WHERE
            u.tenant_id = %(tenant_id)s::uuid AND u.created_at >= b.starts AND u.created_at < b.ends
            AND (%(user_id)s::uuid IS NULL OR u.user_id = %(user_id)s::uuid)
            AND u.status = 'completed' AND u.request_digest IS NOT NULL
        GROUP BY u.user_id, u.model_id, u.request_digest
        HAVING count(*) > 1
    ) AS r
)
SELECT row_to_json(r)::text
FROM (
    SELECT
        model_id,
        count(*) AS prompts,
        sum(calls) AS calls,
        sum(spend_pico) AS spend_pico,
        sum(avoidable_pico) AS avoidable_pico,
        (array_agg(example ORDER BY avoidable_pico DESC, example))[1:3] AS examples
    FROM repeated
    GROUP BY model_id
) AS r;

-- name: outcomes
SELECT row_to_json(r)::text
FROM (
    SELECT
        status, model_id,
        coalesce(error_code, '') AS error_code,
        count(*) AS calls,
        sum(cost_pico) AS spend_pico,
        coalesce(sum(cost_pico) FILTER (WHERE estimated), 0) AS estimated_pico
    FROM model_usage
    WHERE
        tenant_id = %(tenant_id)s::uuid AND created_at >= %(start)s AND created_at < %(end)s
        AND (%(user_id)s::uuid IS NULL OR user_id = %(user_id)s::uuid)
    GROUP BY status, model_id, coalesce(error_code, '')
) AS r;

-- name: charges
SELECT row_to_json(r)::text
FROM (
    SELECT
        request_id, attempt, user_id, conversation_id, model_id,
        input_tokens + cache_read_tokens + cache_write_5m_tokens + cache_write_1h_tokens + output_tokens
            AS tokens_used,
        cost_pico, estimated, created_at AS timestamp
    FROM model_usage
    WHERE
        request_id = %(request_id)s AND tenant_id = %(tenant_id)s::uuid
        AND (%(user_id)s::uuid IS NULL OR user_id = %(user_id)s::uuid)
) AS r
ORDER BY r.attempt;

-- name: output_lengths
-- Of the newest calls only, so that a long history costs no more than a short one.
SELECT row_to_json(r)::text
FROM (
    SELECT
        model_id,
        count(*) AS calls,
        percentile_disc(0.1) WITHIN GROUP (ORDER BY output_tokens) AS p10,
        round(avg(output_tokens))::bigint AS mean,
        percentile_disc(0.9) WITHIN GROUP (ORDER BY output_tokens) AS p90
    FROM (
        SELECT model_id, output_tokens
        FROM model_usage
        WHERE
            tenant_id = %(tenant_id)s::uuid AND created_at >= %(since)s
            AND (%(user_id)s::uuid IS NULL OR user_id = %(user_id)s::uuid)
            AND status = 'completed' AND output_tokens > 0
        ORDER BY created_at DESC
        LIMIT %(newest)s
    ) AS newest
    GROUP BY model_id
) AS r;
