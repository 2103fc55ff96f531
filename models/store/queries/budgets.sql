-- name: be_brief
-- Everybody waits for what follows.
SET LOCAL statement_timeout = '5s';

-- name: lock
-- Writers of the ledger hold it shared: nothing is reserved or settled while a budget is made or changed.
SELECT pg_advisory_xact_lock(7240116302);

-- name: mark
-- Under the lock: whatever is recorded from now on has a higher number, and a call is old an hour after it began.
SELECT coalesce(max(id), 0), clock_timestamp() - interval '1 hour' FROM transfers;

-- name: spent
-- What the owner has spent in each window that counts, by calls that began in a span of time. A batch that waits for
-- the lock may be of the window before, if that has just ended: it counts, too.
SELECT
    window_start(%(period)s, %(rolling_hours)s::integer, least(u.created_at, c.at)) AS start,
    sum(u.pico)::text AS pico
FROM (
    SELECT at, counts_from(%(period)s, %(rolling_hours)s::integer, at - interval '1 minute') AS since
    FROM (SELECT clock_timestamp() AS at) AS now
) AS c
CROSS JOIN LATERAL (
    SELECT coalesce(counted_pico, cost_pico) AS pico, created_at FROM model_usage
    WHERE tenant_id = %(of_tenant)s::uuid AND created_at >= c.since
    UNION ALL
    SELECT coalesce(counted_pico, cost_pico) AS pico, created_at FROM model_usage
    WHERE team_id = %(of_team)s::uuid AND tenant_id = %(tenant_id)s::uuid AND created_at >= c.since
    UNION ALL
    SELECT coalesce(counted_pico, cost_pico) AS pico, created_at FROM model_usage
    WHERE user_id = %(of_user)s::uuid AND tenant_id = %(tenant_id)s::uuid AND created_at >= c.since
    UNION ALL
    SELECT coalesce(counted_pico, cost_pico) AS pico, created_at FROM model_usage
    WHERE key_id = %(of_key)s AND tenant_id = %(tenant_id)s::uuid AND created_at >= c.since
    UNION ALL
    SELECT coalesce(counted_pico, cost_pico) AS pico, created_at FROM model_usage
    WHERE
        conversation_id = %(of_conversation)s AND tenant_id = %(tenant_id)s::uuid AND created_at >= c.since
) AS u
WHERE u.created_at >= %(began_from)s::timestamptz AND u.created_at < %(began_before)s::timestamptz
GROUP BY start;

-- name: past_has_changed
-- Whether anything was recorded since the mark of a call that was old by then.
SELECT EXISTS (
    SELECT FROM transfers AS t
    JOIN model_usage AS u ON u.request_id = regexp_replace(t.op_key, '/[0-9]+:[a-z]+$', '')
    WHERE t.id > %(mark)s AND t.kind <> 'reserve' AND u.created_at < %(old)s::timestamptz
);

-- name: add
-- Made after all that is in the journal by now, and before all that is not.
INSERT INTO budgets (id, tenant_id, scope, owner, period, rolling_hours, limit_pico, hard, name, created_at)
VALUES (
    %(id)s::uuid, %(tenant_id)s::uuid, %(scope)s, %(owner)s, %(period)s, %(rolling_hours)s, %(limit_pico)s::numeric,
    %(hard)s, %(name)s, clock_timestamp()
)
ON CONFLICT (id) DO NOTHING
RETURNING id;

-- name: open_accounts
-- What the owner has spent in the windows that count is in them from the start, and the holds that are open count
-- from now on.
WITH
budget AS MATERIALIZED (
    SELECT
        b.*,
        window_start(b.period, b.rolling_hours, at) AS current,
        window_start(b.period, b.rolling_hours, at - interval '1 minute') AS previous
    FROM budgets AS b
    CROSS JOIN LATERAL (SELECT clock_timestamp() AS at) AS c
    WHERE b.id = %(id)s::uuid
),
held AS MATERIALIZED (
    SELECT h.tenant_id, h.op_key, h.amount_pico
    FROM holds AS h
    WHERE
        h.tenant_id = %(tenant_id)s::uuid
        AND (
            h.tenant_id = %(of_tenant)s::uuid
            OR h.record ->> 'team_id' = %(of_team)s::uuid::text
            OR h.record ->> 'user_id' = %(of_user)s::uuid::text
            OR h.record ->> 'key_id' = %(of_key)s
            OR h.record ->> 'conversation_id' = %(of_conversation)s
        )
    ORDER BY h.tenant_id, h.op_key
    FOR UPDATE
),
opened AS (
    INSERT INTO accounts (budget_id, window_start, limit_pico, opening_pico, posted_pico, pending_pico)
    SELECT
        b.id, w.start, CASE WHEN b.hard THEN greatest(b.limit_pico, w.spent + w.held) END, w.spent, w.spent, w.held
    FROM budget AS b
    CROSS JOIN LATERAL (
        SELECT part.start, sum(part.spent) AS spent, sum(part.held) AS held
        FROM (
            SELECT s.start, s.pico AS spent, 0::numeric AS held
            FROM unnest(%(starts)s::timestamptz[], %(spent)s::numeric[]) AS s (start, pico)
            UNION ALL
            SELECT b.current, 0, (SELECT coalesce(sum(amount_pico), 0) FROM held)
            UNION ALL
            SELECT b.previous, 0, 0
        ) AS part
        GROUP BY part.start
    ) AS w
    RETURNING id, window_start
)
UPDATE holds AS h
SET account_ids = h.account_ids || o.id
FROM opened AS o
JOIN budget AS b ON o.window_start = b.current
CROSS JOIN held AS m
WHERE h.tenant_id = m.tenant_id AND h.op_key = m.op_key;

-- name: change
UPDATE budgets
SET
    limit_pico = coalesce(%(limit_pico)s::numeric, limit_pico),
    hard = coalesce(%(hard)s::boolean, hard),
    name = coalesce(%(name)s::text, name)
WHERE id = %(id)s::uuid AND tenant_id = %(tenant_id)s::uuid AND ended_at IS NULL
RETURNING row_to_json(budgets)::text;

-- name: end
UPDATE budgets
SET ended_at = coalesce(ended_at, now())
WHERE id = %(id)s::uuid AND tenant_id = %(tenant_id)s::uuid
RETURNING row_to_json(budgets)::text;

-- name: limit_accounts
-- Where more is gone than the limit allows, the account keeps to what is gone: nothing more is admitted.
UPDATE accounts AS a
SET limit_pico = CASE
    WHEN b.hard AND b.ended_at IS NULL THEN greatest(b.limit_pico, a.posted_pico + a.pending_pico)
END
FROM budgets AS b
WHERE
    b.id = %(id)s::uuid
    AND a.budget_id = b.id
    AND a.window_start >= counts_from(b.period, b.rolling_hours, now() - interval '1 minute');

-- name: find
SELECT row_to_json(b)::text
FROM budgets AS b
WHERE b.id = %(id)s::uuid AND b.tenant_id = %(tenant_id)s::uuid;

-- name: page
SELECT row_to_json(b)::text
FROM budgets AS b
WHERE
    b.tenant_id = %(tenant_id)s::uuid
    AND (%(after)s::uuid IS NULL OR b.id > %(after)s::uuid)
    AND (%(scope)s::text IS NULL OR b.scope = %(scope)s)
    AND (%(owner)s::text IS NULL OR b.owner = %(owner)s)
    AND (%(ended)s::boolean OR b.ended_at IS NULL)
ORDER BY b.id
LIMIT %(limit)s;

-- name: standing
SELECT
    json_build_object(
        'budget', row_to_json(b),
        'spent_pico', s.spent,
        'held_pico', s.held,
        'window_start', counts_from(b.period, b.rolling_hours, now()),
        'window_end', CASE b.period
            WHEN 'total' THEN NULL
            WHEN 'rolling' THEN
                window_start(b.period, b.rolling_hours, now()) + b.rolling_hours * interval '150 seconds'
            ELSE
                date_add(window_start(b.period, b.rolling_hours, now()), ('1 ' || b.period)::interval, 'UTC')
        END,
        'at', now()
    )::text
FROM budgets AS b
CROSS JOIN LATERAL (
    SELECT coalesce(sum(a.posted_pico), 0) AS spent, coalesce(sum(a.pending_pico), 0) AS held
    FROM accounts AS a
    WHERE a.budget_id = b.id AND a.window_start >= counts_from(b.period, b.rolling_hours, now())
) AS s
WHERE b.id = %(id)s::uuid AND b.tenant_id = %(tenant_id)s::uuid;

-- name: applying
SELECT
    json_build_object(
        'budget', row_to_json(b),
        'spent_pico', s.spent,
        'held_pico', s.held,
        'window_start', counts_from(b.period, b.rolling_hours, now()),
        'window_end', CASE b.period
            WHEN 'total' THEN NULL
            WHEN 'rolling' THEN
                window_start(b.period, b.rolling_hours, now()) + b.rolling_hours * interval '150 seconds'
            ELSE
                date_add(window_start(b.period, b.rolling_hours, now()), ('1 ' || b.period)::interval, 'UTC')
        END,
        'at', now()
    )::text
FROM budgets_of(
    %(tenant_id)s::uuid, %(team_id)s::text, %(user_id)s::text, %(key_id)s::text, %(conversation_id)s::text
) AS b
CROSS JOIN LATERAL (
    SELECT coalesce(sum(a.posted_pico), 0) AS spent, coalesce(sum(a.pending_pico), 0) AS held
    FROM accounts AS a
    WHERE a.budget_id = b.id AND a.window_start >= counts_from(b.period, b.rolling_hours, now())
) AS s
ORDER BY b.id;

-- name: windows
SELECT
    json_build_object(
        'window_start', a.window_start,
        'window_end', CASE b.period
            WHEN 'total' THEN NULL
            WHEN 'rolling' THEN a.window_start + b.rolling_hours * interval '150 seconds'
            ELSE date_add(a.window_start, ('1 ' || b.period)::interval, 'UTC')
        END,
        -- The limit of a window that has passed is the one that it had then.
        'limit_pico', CASE
            WHEN a.window_start >= counts_from(b.period, b.rolling_hours, now()) THEN b.limit_pico
            ELSE coalesce(a.limit_pico, b.limit_pico)
        END,
        'opening_pico', a.opening_pico,
        'posted_pico', a.posted_pico,
        'held_pico', a.pending_pico,
        'counted_pico', c.pico
    )::text
FROM budgets AS b
JOIN accounts AS a ON a.budget_id = b.id
CROSS JOIN LATERAL (
    SELECT sum(w.posted_pico) AS pico
    FROM accounts AS w
    WHERE
        w.budget_id = b.id
        AND w.window_start BETWEEN counts_from(b.period, b.rolling_hours, a.window_start) AND a.window_start
) AS c
WHERE
    b.id = %(id)s::uuid
    AND b.tenant_id = %(tenant_id)s::uuid
    AND a.window_start >= %(since)s::timestamptz
    AND a.window_start < %(until)s::timestamptz
ORDER BY a.window_start DESC
LIMIT %(limit)s;
