-- name: watch
-- What has moved since `after`, the next budgets of the round, and those that turned a call away: which of them have
-- reached a threshold that nobody has been told of. One row at least, which says how far the two cursors came.
WITH moved AS (
    SELECT id, account_ids
    FROM transfers
    WHERE id > coalesce(%(after)s::bigint, (SELECT max(id) FROM transfers) - %(max_moved)s)
    ORDER BY id
    LIMIT %(max_moved)s
),
round AS (
    SELECT id FROM budgets WHERE ended_at IS NULL AND id > %(swept)s ORDER BY id LIMIT %(max_swept)s
),
watched AS (
    SELECT a.budget_id AS id
    FROM (SELECT DISTINCT unnest(account_ids) AS id FROM moved) AS m
    CROSS JOIN LATERAL (SELECT budget_id FROM accounts WHERE id = m.id OFFSET 0) AS a
    UNION
    SELECT id FROM round
    UNION
    SELECT unnest(%(refused)s::uuid[])
),
usage AS MATERIALIZED (
    SELECT
        b.id, b.tenant_id, b.scope, b.owner, b.name, b.period, b.hard, b.limit_pico,
        w.started, a.posted, a.pending,
        CASE WHEN b.period = 'rolling' THEN '-infinity' ELSE w.started END AS window_start,
        extract(epoch FROM now() - w.started) AS passed_s,
        extract(epoch FROM w.started + CASE b.period
            WHEN 'day' THEN interval '1 day'
            WHEN 'week' THEN interval '1 week'
            WHEN 'month' THEN interval '1 month'
        END - w.started) AS whole_s
    FROM watched
    -- OFFSET keeps these look-ups by key: else a few hundred of them look dearer than reading the whole table.
    CROSS JOIN LATERAL (SELECT * FROM budgets WHERE id = watched.id OFFSET 0) AS b
    CROSS JOIN LATERAL (SELECT counts_from(b.period, b.rolling_hours, now()) AS started) AS w
    CROSS JOIN LATERAL (
        SELECT sum(posted_pico) AS posted, sum(pending_pico) AS pending
        FROM accounts
        WHERE budget_id = b.id AND accounts.window_start >= w.started
    ) AS a
    WHERE b.ended_at IS NULL AND b.limit_pico > 0 AND a.posted IS NOT NULL
),
thresholds AS (
    SELECT
        u.*, t.percent, 'threshold_' || t.percent AS kind,
        u.posted + CASE WHEN t.percent >= 100 THEN u.pending ELSE 0 END AS used
    FROM usage AS u
    CROSS JOIN unnest(%(thresholds)s::integer[]) AS t (percent)
),
rearmed AS (
    DELETE FROM alerts AS a USING thresholds AS t
    WHERE
        a.budget_id = t.id AND a.window_start = t.window_start AND a.limit_pico = t.limit_pico AND a.kind = t.kind
        AND t.period = 'rolling' AND t.used * 100 < (t.percent - %(rearm)s) * t.limit_pico
),
reached AS (
    SELECT id, kind, percent, NULL::numeric AS overage_pico FROM thresholds
    WHERE
        used * 100 >= percent * limit_pico
        OR percent = 100 AND id = ANY (%(refused)s::uuid[]) AND used * 100 >= %(refused_from)s * limit_pico
    UNION ALL
    -- If the rest of the window is as dear as what has passed of it, which says little at its beginning.
    SELECT id, 'projected_overage', NULL, ceil(posted * whole_s / passed_s) - limit_pico FROM usage
    WHERE
        posted < limit_pico AND passed_s * 100 >= whole_s * %(settled_percent)s
        AND posted * whole_s > limit_pico * passed_s
)
SELECT c.*, d.*
FROM (
    SELECT
        (SELECT max(id) FROM moved) AS last_moved,
        (SELECT count(*) FROM moved) AS moved,
        (SELECT id::text FROM round ORDER BY round.id DESC LIMIT 1) AS last_swept,
        (SELECT count(*) FROM round) AS swept
) AS c
LEFT JOIN (
    SELECT
        u.id::text AS budget_id, u.tenant_id::text AS tenant_id, u.scope, u.owner, u.name, u.period, u.hard,
        u.window_start::text AS window_start, u.limit_pico, u.posted AS posted_pico, u.pending AS pending_pico,
        r.kind, r.percent, r.overage_pico
    FROM reached AS r
    JOIN usage AS u USING (id)
    WHERE NOT EXISTS (
        SELECT FROM alerts AS a
        WHERE
            a.budget_id = u.id AND a.window_start = u.window_start AND a.limit_pico = u.limit_pico
            AND a.kind = r.kind
    )
) AS d ON true
ORDER BY d.budget_id, d.percent;

-- name: raise_alerts
WITH due AS (
    SELECT * FROM json_to_recordset(%(alerts)s::json) AS d (
        event_id uuid, budget_id uuid, window_start timestamptz, limit_pico numeric, kind text, severity severity,
        tenant_id uuid, subject jsonb, payload jsonb
    )
),
fresh AS (
    INSERT INTO alerts (budget_id, window_start, limit_pico, kind)
    SELECT budget_id, window_start, limit_pico, kind
    FROM due
    -- In one order, so that two scanners wait for each other instead of deadlocking.
    ORDER BY budget_id, window_start, limit_pico, kind
    ON CONFLICT DO NOTHING
    RETURNING budget_id, window_start, limit_pico, kind
)
SELECT count(*) FILTER (
    WHERE log_event(event_id, 'budget.' || kind, severity, tenant_id, subject, payload, NULL, %(ops)s::json)
) AS raised
FROM (
    SELECT * FROM fresh JOIN due USING (budget_id, window_start, limit_pico, kind)
    ORDER BY budget_id, (payload ->> 'threshold')::integer
) AS told;

-- name: overruns
SELECT
    t.id AS transfer_id, t.tenant_id::text AS tenant_id, t.op_key, t.kind, e.debit_pico AS overrun_pico,
    t.amount_pico AS cost_pico
FROM entries AS e
JOIN transfers AS t ON t.id = e.transfer_id
WHERE
    e.account = 'overrun' AND e.transfer_id > %(after)s
    AND NOT EXISTS (
        SELECT FROM events AS told WHERE told.kind = 'ledger.overrun' AND told.once = t.id::text
    )
ORDER BY e.transfer_id
LIMIT %(limit)s;

-- name: log_events
SELECT log_event(id, kind, severity, tenant_id, subject, payload, once, %(ops)s::json)
FROM json_to_recordset(%(events)s::json) AS e (
    id uuid, kind text, severity severity, tenant_id uuid, subject jsonb, payload jsonb, once text
);

-- name: events
SELECT id::text, tenant_id::text, kind, severity, subject, payload, at
FROM (
    (
        SELECT * FROM events
        WHERE
            tenant_id = %(tenant_id)s
            AND (%(kind)s::text IS NULL OR kind = %(kind)s)
            AND (%(severity)s::severity IS NULL OR severity = %(severity)s::severity)
            AND (%(since)s::timestamptz IS NULL OR at >= %(since)s)
            AND (%(after)s::uuid IS NULL OR (at, id) < (SELECT c.at, c.id FROM events AS c WHERE c.id = %(after)s))
        ORDER BY at DESC, id DESC
        LIMIT %(limit)s
    )
    UNION ALL
    (
        SELECT * FROM events
        WHERE
            tenant_id IS NULL
            AND EXISTS (SELECT FROM tenants WHERE id = %(tenant_id)s AND name = %(ops_tenant)s)
            AND (%(kind)s::text IS NULL OR kind = %(kind)s)
            AND (%(severity)s::severity IS NULL OR severity = %(severity)s::severity)
            AND (%(since)s::timestamptz IS NULL OR at >= %(since)s)
            AND (%(after)s::uuid IS NULL OR (at, id) < (SELECT c.at, c.id FROM events AS c WHERE c.id = %(after)s))
        ORDER BY at DESC, id DESC
        LIMIT %(limit)s
    )
) AS found
ORDER BY at DESC, id DESC
LIMIT %(limit)s;

-- name: add_channel
WITH state AS (
    SELECT
        (SELECT count(*) FROM alert_channels WHERE tenant_id = %(tenant_id)s) >= %(most)s AS is_full,
        %(budget_id)s::uuid IS NOT NULL AND NOT EXISTS (
            SELECT FROM budgets WHERE id = %(budget_id)s AND tenant_id = %(tenant_id)s
        ) AS foreign_budget
),
added AS (
    INSERT INTO alert_channels (id, tenant_id, kind, target, min_severity, budget_id, created_at)
    SELECT
        %(id)s, %(tenant_id)s, %(kind)s, %(target)s, %(min_severity)s::severity, %(budget_id)s::uuid, %(created_at)s
    FROM state
    WHERE NOT is_full AND NOT foreign_budget
    ON CONFLICT DO NOTHING
)
SELECT is_full, foreign_budget FROM state;

-- name: channels
SELECT id::text, tenant_id::text, kind, target, min_severity, budget_id::text, created_at
FROM alert_channels
WHERE tenant_id = %(tenant_id)s AND (%(id)s::uuid IS NULL OR id = %(id)s)
ORDER BY id;

-- name: delete_channel
WITH gone AS (
    DELETE FROM alert_channels WHERE tenant_id = %(tenant_id)s AND id = %(id)s RETURNING id
),
unsent AS (
    DELETE FROM deliveries AS d USING gone
    WHERE d.channel_id = gone.id AND d.delivered_at IS NULL AND d.given_up_at IS NULL
)
SELECT id FROM gone;

-- name: test_channel
WITH channel AS (
    SELECT * FROM alert_channels WHERE tenant_id = %(tenant_id)s AND id = %(id)s
),
logged AS (
    INSERT INTO events (id, kind, severity, tenant_id, subject, payload)
    SELECT %(event_id)s, 'alert.test', 'info', tenant_id, jsonb_build_object('channel_id', id), '{}'
    FROM channel
    ON CONFLICT DO NOTHING
    RETURNING id
)
INSERT INTO deliveries (event_id, channel_id, kind, target)
SELECT logged.id, channel.id, channel.kind, channel.target
FROM logged
CROSS JOIN channel;

-- name: claim
WITH due AS (
    SELECT d.id
    FROM (
        SELECT DISTINCT channel_id FROM deliveries
        WHERE delivered_at IS NULL AND given_up_at IS NULL AND next_at <= clock_timestamp()
    ) AS c
    -- A few of each, and those that were never tried first, so that a channel that fails delays no other.
    CROSS JOIN LATERAL (
        SELECT id, attempts, next_at FROM deliveries
        WHERE
            channel_id = c.channel_id AND delivered_at IS NULL AND given_up_at IS NULL
            AND next_at <= clock_timestamp()
        ORDER BY next_at
        LIMIT %(per_channel)s
    ) AS d
    WHERE c.channel_id <> ALL (%(busy)s::uuid[])
    ORDER BY d.attempts, d.next_at
    LIMIT %(limit)s
),
mine AS (
    SELECT id FROM deliveries
    WHERE
        id IN (SELECT id FROM due)
        AND delivered_at IS NULL AND given_up_at IS NULL AND next_at <= clock_timestamp()
    FOR UPDATE SKIP LOCKED
)
UPDATE deliveries AS d
SET attempts = d.attempts + 1, next_at = clock_timestamp() + %(lease_s)s * interval '1 second'
FROM mine, events AS e
WHERE d.id = mine.id AND e.id = d.event_id
RETURNING
    d.id AS delivery_id, d.attempts, d.channel_id::text AS channel_id, d.kind AS channel_kind, d.target,
    e.id::text AS id, e.tenant_id::text AS tenant_id, e.kind, e.severity, e.subject, e.payload, e.at;

-- name: delivered
UPDATE deliveries
SET delivered_at = clock_timestamp(), last_error = NULL
WHERE id = %(id)s AND delivered_at IS NULL AND given_up_at IS NULL;

-- name: retry
UPDATE deliveries
SET next_at = clock_timestamp() + %(delay_s)s * interval '1 second', last_error = %(error)s
-- Whoever has claimed it meanwhile decides.
WHERE id = %(id)s AND attempts = %(attempts)s AND delivered_at IS NULL AND given_up_at IS NULL;

-- name: give_up
WITH ended AS (
    UPDATE deliveries
    SET given_up_at = clock_timestamp(), last_error = %(error)s
    WHERE id = %(id)s AND attempts = %(attempts)s AND delivered_at IS NULL AND given_up_at IS NULL
    RETURNING *
)
SELECT log_event(
    %(event_id)s, 'alert.undelivered', 'warning', e.tenant_id,
    jsonb_build_object('event_id', e.id, 'channel_id', d.channel_id),
    jsonb_build_object('event_kind', e.kind, 'channel_kind', d.kind, 'attempts', d.attempts, 'error', d.last_error),
    d.id::text, %(ops)s::json
)
FROM ended AS d
JOIN events AS e ON e.id = d.event_id
-- Else a channel that is gone for good would be told of itself for ever.
WHERE e.kind <> 'alert.undelivered';

-- name: forget_deliveries
DELETE FROM deliveries
WHERE id IN (
    SELECT id FROM deliveries
    WHERE
        (delivered_at IS NOT NULL OR given_up_at IS NOT NULL)
        AND coalesce(delivered_at, given_up_at) < now() - %(keep_days)s * interval '1 day'
    LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
);
