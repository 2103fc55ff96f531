-- name: claim
-- One row: whether the key is this request's now and who was lost at it, or else how it stands. None if somebody
-- else has claimed it this very moment.
WITH claimed AS (
    INSERT INTO idempotency_keys AS k (tenant_id, user_id, name, digest, state, request_id, lease_until, expires_at)
    VALUES (
        %(tenant_id)s::uuid,
        %(user_id)s::uuid,
        %(name)s,
        %(digest)s,
        'in_flight',
        %(request_id)s,
        clock_timestamp() + make_interval(secs => %(lease_s)s),
        clock_timestamp() + make_interval(secs => %(kept_s)s)
    )
    ON CONFLICT (tenant_id, user_id, name) DO UPDATE SET
        digest = excluded.digest,
        state = 'in_flight',
        request_id = excluded.request_id,
        lease_until = excluded.lease_until,
        lost = CASE
            WHEN k.expires_at <= clock_timestamp() THEN '{}'
            WHEN k.state = 'in_flight' AND k.request_id <> excluded.request_id
                THEN (k.lost || k.request_id)[greatest(1, cardinality(k.lost) - 6):]
            ELSE k.lost
        END,
        answer = NULL,
        expires_at = excluded.expires_at
    WHERE
        k.expires_at <= clock_timestamp()
        OR (k.digest = excluded.digest AND (
            k.state = 'failed'
            OR (k.state = 'in_flight' AND (k.lease_until <= clock_timestamp() OR k.request_id = excluded.request_id))
        ))
    RETURNING k.lost
)
SELECT true, c.lost, NULL::bytea, NULL::text, NULL::text, NULL::bytea FROM claimed AS c
UNION ALL
SELECT false, k.lost, k.digest, k.state, k.request_id, k.answer
FROM idempotency_keys AS k
WHERE
    k.tenant_id = %(tenant_id)s::uuid AND k.user_id = %(user_id)s::uuid AND k.name = %(name)s
    AND NOT EXISTS (SELECT FROM claimed);

-- name: is_under_way
SELECT EXISTS (
    SELECT
    FROM idempotency_keys
    WHERE
        tenant_id = %(tenant_id)s::uuid AND user_id = %(user_id)s::uuid AND name = %(name)s
        AND state = 'in_flight' AND lease_until > clock_timestamp()
);

-- name: finish
UPDATE idempotency_keys
SET state = 'done', answer = %(answer)s, expires_at = clock_timestamp() + make_interval(secs => %(kept_s)s)
WHERE
    tenant_id = %(tenant_id)s::uuid AND user_id = %(user_id)s::uuid AND name = %(name)s
    AND request_id = %(request_id)s AND state IN ('in_flight', 'done');

-- name: fail
UPDATE idempotency_keys
SET state = 'failed', lost = CASE WHEN %(answered)s THEN '{}' ELSE lost END
WHERE
    tenant_id = %(tenant_id)s::uuid AND user_id = %(user_id)s::uuid AND name = %(name)s
    AND request_id = %(request_id)s AND state = 'in_flight';

-- name: release
DELETE FROM idempotency_keys
WHERE
    tenant_id = %(tenant_id)s::uuid AND user_id = %(user_id)s::uuid AND name = %(name)s
    AND request_id = %(request_id)s AND state = 'in_flight' AND lost = '{}';

-- name: renew
UPDATE idempotency_keys AS k
SET lease_until = clock_timestamp() + make_interval(secs => %(lease_s)s)
FROM unnest(%(tenant_ids)s::uuid[], %(user_ids)s::uuid[], %(names)s::bytea[], %(request_ids)s::text[])
    AS r (tenant_id, user_id, name, request_id)
WHERE
    k.tenant_id = r.tenant_id AND k.user_id = r.user_id AND k.name = r.name
    AND k.request_id = r.request_id AND k.state = 'in_flight';

-- name: was_paid
-- Whether one of these requests was answered to its end, and charged.
SELECT EXISTS (
    SELECT
    FROM model_usage
    WHERE
        request_id = ANY(%(request_ids)s::text[]) AND tenant_id = %(tenant_id)s::uuid
        AND status = 'completed' AND cost_pico > 0
);

-- name: sweep
DELETE FROM idempotency_keys
WHERE (tenant_id, user_id, name) IN (
    SELECT k.tenant_id, k.user_id, k.name
    FROM idempotency_keys AS k
    WHERE k.expires_at <= clock_timestamp()
    LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
);

-- name: forget
DELETE FROM idempotency_keys WHERE tenant_id = %(tenant_id)s::uuid AND user_id = %(user_id)s::uuid;
