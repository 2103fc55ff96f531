-- name: now
SELECT now();

-- name: take_lease
INSERT INTO reconciliation_lease AS l (holder, until)
VALUES (%(holder)s::uuid, clock_timestamp() + %(lease_s)s * interval '1 second')
ON CONFLICT (single) DO UPDATE SET holder = excluded.holder, until = excluded.until
WHERE l.until < clock_timestamp() OR l.holder = excluded.holder
RETURNING true;

-- name: drop_lease
UPDATE reconciliation_lease SET until = clock_timestamp() WHERE holder = %(holder)s::uuid;

-- name: other_width_until
SELECT max(bucket_end)
FROM reconciliations
WHERE provider = %(provider)s AND bucket_end - bucket_start <> %(width)s::interval;

-- name: ledger_sums
SELECT
    model_id,
    date_bin(%(width)s::interval, created_at, 'epoch'::timestamptz) AS bucket_start,
    sum(cost_pico + discount_pico),
    coalesce(sum(cost_pico + discount_pico) FILTER (WHERE estimated), 0),
    sum(input_tokens)::bigint,
    sum(cache_read_tokens)::bigint,
    sum(cache_write_5m_tokens)::bigint,
    sum(cache_write_1h_tokens)::bigint,
    sum(output_tokens)::bigint
FROM model_usage
WHERE
    provider = %(provider)s AND created_at >= %(start)s AND created_at < %(end)s
    AND cost_pico + discount_pico > 0
GROUP BY 1, 2;

-- name: boundary_sums
-- Providers do not say whether a call belongs to the time of its beginning or of its end, and their clocks differ
-- from ours: what a call costs may be dated on either side of each boundary that it touches.
SELECT
    u.model_id,
    boundary,
    coalesce(sum(u.cost_pico + u.discount_pico) FILTER (WHERE boundary > u.created_at), 0),
    coalesce(sum(u.cost_pico + u.discount_pico) FILTER (WHERE boundary <= u.created_at), 0)
FROM model_usage AS u
CROSS JOIN LATERAL generate_series(
    date_bin(%(width)s::interval, u.created_at - %(skew)s::interval, 'epoch'::timestamptz) + %(width)s::interval,
    u.created_at + u.response_time_ms * interval '1 millisecond' + %(skew)s::interval,
    %(width)s::interval
) AS boundary
WHERE
    u.provider = %(provider)s
    AND u.created_at >= %(start)s::timestamptz - %(longest)s::interval
    AND u.created_at < %(end)s::timestamptz + %(skew)s::interval
    AND boundary >= %(start)s AND boundary <= %(end)s
    AND u.cost_pico + u.discount_pico > 0
GROUP BY 1, 2;

-- name: newest
SELECT DISTINCT ON (model_id, bucket_start)
    id, provider, model_id, bucket_start, bucket_end, version, status, reason, ledger_pico, estimated_pico, provider_pico,
    ledger_tokens, provider_tokens, drift_pico, adjustment_pico, carried_low_pico, carried_high_pico, at,
    sum(adjustment_pico) OVER (PARTITION BY model_id, bucket_start, bucket_end)
FROM reconciliations
WHERE
    provider = %(provider)s AND bucket_start >= %(start)s AND bucket_start < %(end)s
    AND bucket_end - bucket_start = %(width)s::interval
ORDER BY model_id, bucket_start, version DESC;

-- name: record
-- Of two who record one version the second does nothing, and moves nothing.
WITH
recorded AS (
    INSERT INTO reconciliations (
        provider, model_id, bucket_start, bucket_end, version, status, reason, ledger_pico, estimated_pico,
        provider_pico, ledger_tokens, provider_tokens, drift_pico, adjustment_pico, carried_low_pico,
        carried_high_pico
    )
    VALUES (
        %(provider)s, %(model_id)s, %(bucket_start)s, %(bucket_end)s, %(version)s, %(status)s, %(reason)s,
        %(ledger_pico)s, %(estimated_pico)s, %(provider_pico)s, %(ledger_tokens)s, %(provider_tokens)s,
        %(drift_pico)s, %(adjustment_pico)s, %(carried_low_pico)s, %(carried_high_pico)s
    )
    ON CONFLICT (provider, model_id, bucket_start, bucket_end, version) DO NOTHING
    RETURNING adjustment_pico
),
moved AS (
    INSERT INTO transfers (tenant_id, op_key, kind, amount_pico, estimated)
    SELECT %(tenant_id)s::uuid, %(op_key)s, 'adjust', abs(adjustment_pico), false
    FROM recorded
    WHERE adjustment_pico <> 0
    RETURNING id
),
sides AS (
    INSERT INTO entries (transfer_id, account, debit_pico, credit_pico)
    SELECT m.id, side.account, greatest(side.amount, 0), greatest(-side.amount, 0)
    FROM moved AS m
    CROSS JOIN recorded AS r
    CROSS JOIN LATERAL (VALUES
        ('reconciliation', r.adjustment_pico), ('provider:' || %(provider)s::text, -r.adjustment_pico)
    ) AS side (account, amount)
)
SELECT true FROM recorded;

-- name: list
SELECT
    id, provider, model_id, bucket_start, bucket_end, version, status, reason, ledger_pico, estimated_pico, provider_pico,
    ledger_tokens, provider_tokens, drift_pico, adjustment_pico, carried_low_pico, carried_high_pico, at,
    (
        SELECT sum(e.adjustment_pico) FROM reconciliations AS e
        WHERE
            e.provider = r.provider AND e.model_id = r.model_id AND e.bucket_start = r.bucket_start
            AND e.bucket_end = r.bucket_end AND e.version <= r.version
    )
FROM reconciliations AS r
WHERE
    (%(provider)s::text IS NULL OR provider = %(provider)s)
    AND (%(model_id)s::text IS NULL OR model_id = %(model_id)s)
    AND (%(status)s::text IS NULL OR status = %(status)s)
    AND (%(start)s::timestamptz IS NULL OR bucket_start >= %(start)s)
    AND (%(end)s::timestamptz IS NULL OR bucket_start < %(end)s)
    AND (%(before)s::bigint IS NULL OR id < %(before)s)
    AND (
        %(every_version)s OR NOT EXISTS (
            SELECT FROM reconciliations AS later
            WHERE
                later.provider = r.provider AND later.model_id = r.model_id
                AND later.bucket_start = r.bucket_start AND later.bucket_end = r.bucket_end
                AND later.version > r.version
        )
    )
ORDER BY id DESC
LIMIT %(limit)s;

-- name: operates
SELECT true FROM tenants WHERE id = %(tenant_id)s::uuid AND name = %(ops_tenant)s;
