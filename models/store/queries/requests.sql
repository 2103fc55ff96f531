-- name: attempts
SELECT row_to_json(u)::text
FROM model_usage AS u
WHERE
    u.request_id = %(request_id)s
    AND u.tenant_id = %(tenant_id)s::uuid
    AND (%(user_id)s::uuid IS NULL OR u.user_id = %(user_id)s::uuid)
ORDER BY u.attempt;

-- name: holds
SELECT json_build_object('amount_pico', h.amount_pico, 'record', h.record)::text
FROM holds AS h
WHERE
    h.tenant_id = %(tenant_id)s::uuid
    AND h.op_key = ANY(%(op_keys)s::text[])
    AND (%(user_id)s::text IS NULL OR h.record ->> 'user_id' = %(user_id)s)
ORDER BY h.transfer_id;

-- name: transfers
SELECT row_to_json(t)::text
FROM transfers AS t
WHERE t.tenant_id = %(tenant_id)s::uuid AND t.op_key = ANY(%(op_keys)s::text[])
ORDER BY t.id;

-- name: place
-- Where a page begins: a request is as old as its first attempt.
SELECT u.created_at
FROM model_usage AS u
WHERE u.request_id = %(request_id)s AND u.tenant_id = %(tenant_id)s::uuid
ORDER BY u.attempt
LIMIT 1;

-- name: page
SELECT a.attempts::text
FROM (
    SELECT u.request_id, u.created_at
    FROM model_usage AS u
    WHERE
        u.tenant_id = %(tenant_id)s::uuid
        AND (%(user_id)s::uuid IS NULL OR u.user_id = %(user_id)s::uuid)
        AND u.created_at <= %(before)s::timestamptz
        AND (u.created_at < %(before)s::timestamptz OR u.request_id < %(request_id)s)
        -- Said so that the planner neither hashes all of the table nor takes it for a rare thing and sorts all.
        AND coalesce((SELECT min(e.attempt) FROM model_usage AS e WHERE e.request_id = u.request_id) = u.attempt, false)
    ORDER BY u.created_at DESC, u.request_id DESC
    LIMIT %(limit)s
) AS first
CROSS JOIN LATERAL (
    SELECT json_agg(row_to_json(m) ORDER BY m.attempt) AS attempts
    FROM model_usage AS m
    WHERE m.request_id = first.request_id
) AS a
ORDER BY first.created_at DESC, first.request_id DESC;
