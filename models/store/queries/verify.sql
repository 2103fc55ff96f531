-- Each query names the rows that break one rule: (what, how). None found is the ledger in order.

-- name: unbalanced_in_all
SELECT 'all entries', 'debits are ' || sum(debit_pico) || ', credits ' || sum(credit_pico)
FROM entries
HAVING sum(debit_pico) <> sum(credit_pico)
LIMIT %(limit)s;

-- name: unbalanced
SELECT 'transfer ' || transfer_id, 'debits are ' || sum(debit_pico) || ', credits ' || sum(credit_pico)
FROM entries
GROUP BY transfer_id
HAVING sum(debit_pico) <> sum(credit_pico)
ORDER BY transfer_id
LIMIT %(limit)s;

-- name: entries_of_nothing
SELECT 'entry ' || e.transfer_id || ' ' || e.account, 'there is no transfer ' || e.transfer_id
FROM entries AS e
LEFT JOIN transfers AS t ON t.id = e.transfer_id
WHERE t.id IS NULL
ORDER BY e.transfer_id, e.account
LIMIT %(limit)s;

-- name: amounts
-- Who pays moves the transfer's amount; nothing that is only held or let go moves anything.
SELECT
    'transfer ' || t.id || ' ' || t.op_key,
    t.kind || ' of ' || t.amount_pico || ', entries of ' || coalesce(e.paid, 0)
FROM transfers AS t
LEFT JOIN (
    SELECT
        transfer_id,
        sum(debit_pico - credit_pico) FILTER (WHERE account NOT LIKE 'provider:%%' AND account <> 'discount') AS paid
    FROM entries
    GROUP BY transfer_id
) AS e ON e.transfer_id = t.id
WHERE
    abs(coalesce(e.paid, 0)) <> CASE WHEN t.kind IN ('reserve', 'release') THEN 0 ELSE t.amount_pico END
    OR t.kind IN ('reserve', 'release') AND e.transfer_id IS NOT NULL
ORDER BY t.id
LIMIT %(limit)s;

-- name: pending
SELECT
    'account ' || coalesce(a.id, h.account_id),
    CASE
        WHEN a.id IS NULL THEN 'there is no such account, and ' || h.amount || ' are held for it'
        ELSE 'pending is ' || a.pending_pico || ', its open holds are ' || coalesce(h.amount, 0)
    END
FROM accounts AS a
FULL JOIN (
    SELECT account_id, sum(amount_pico) AS amount
    FROM holds
    CROSS JOIN unnest(account_ids) AS account_id
    GROUP BY account_id
) AS h ON h.account_id = a.id
WHERE a.id IS NULL OR a.pending_pico <> coalesce(h.amount, 0)
ORDER BY 1
LIMIT %(limit)s;

-- name: posted
SELECT
    'account ' || coalesce(a.id, m.account_id),
    CASE
        WHEN a.id IS NULL THEN 'there is no such account, and ' || m.amount || ' were posted to it'
        ELSE
            'posted is ' || a.posted_pico || ', opening and transfers are ' || a.opening_pico + coalesce(m.amount, 0)
    END
FROM accounts AS a
FULL JOIN (
    SELECT account_id, sum(posted_pico) AS amount
    FROM transfers
    CROSS JOIN unnest(account_ids) AS account_id
    WHERE posted_pico <> 0
    GROUP BY account_id
) AS m ON m.account_id = a.id
WHERE a.id IS NULL OR a.posted_pico <> a.opening_pico + coalesce(m.amount, 0)
ORDER BY 1
LIMIT %(limit)s;

-- name: resolutions
-- A reservation is open, or it was resolved: one of the two, and once.
SELECT
    'reserve ' || t.id || ' ' || t.op_key,
    coalesce(h.n, 0) || ' open holds, ' || coalesce(r.n, 0) || ' resolutions'
FROM transfers AS t
LEFT JOIN (SELECT transfer_id, count(*) AS n FROM holds GROUP BY transfer_id) AS h ON h.transfer_id = t.id
LEFT JOIN (
    SELECT pending_id, count(*) AS n
    FROM transfers
    WHERE kind IN ('settle', 'release', 'expire')
    GROUP BY pending_id
) AS r ON r.pending_id = t.id
WHERE t.kind = 'reserve' AND coalesce(h.n, 0) + coalesce(r.n, 0) <> 1
ORDER BY t.id
LIMIT %(limit)s;

-- name: resolutions_of_nothing
SELECT t.kind || ' ' || t.id || ' ' || t.op_key, 'there is no reserve ' || t.pending_id
FROM transfers AS t
LEFT JOIN transfers AS r ON r.id = t.pending_id AND r.kind = 'reserve'
WHERE t.pending_id IS NOT NULL AND r.id IS NULL
ORDER BY t.id
LIMIT %(limit)s;

-- name: holds_of_nothing
SELECT
    'hold ' || h.op_key,
    CASE
        WHEN t.id IS NULL THEN 'there is no reserve ' || h.transfer_id
        ELSE 'it holds ' || h.amount_pico || ', its reserve is of ' || t.amount_pico
    END
FROM holds AS h
LEFT JOIN transfers AS t ON t.id = h.transfer_id AND t.kind = 'reserve'
WHERE t.amount_pico IS DISTINCT FROM h.amount_pico
ORDER BY h.op_key
LIMIT %(limit)s;

-- name: charges
-- What a call cost by the journal and by its record. Records from before there was a journal have no transfers.
SELECT
    'call ' || coalesce(c.op, op_key(u.request_id, u.attempt)),
    CASE
        WHEN u.id IS NULL THEN 'charged ' || c.paid || ', and there is no record of it'
        ELSE
            'charged ' || coalesce(c.paid, 0) || ' with a discount of ' || coalesce(c.discount, 0)
            || ', its record says ' || u.cost_pico || ' and ' || u.discount_pico
    END
FROM (
    SELECT
        t.tenant_id,
        CASE t.kind
            WHEN 'reserve' THEN t.op_key
            WHEN 'adjust' THEN left(t.op_key, -length(':adjust'))
            ELSE left(t.op_key, -length(':end'))
        END AS op,
        coalesce(sum(e.debit_pico - e.credit_pico) FILTER (WHERE e.account <> 'discount'), 0) AS paid,
        coalesce(sum(e.debit_pico - e.credit_pico) FILTER (WHERE e.account = 'discount'), 0) AS discount
    FROM transfers AS t
    LEFT JOIN entries AS e ON e.transfer_id = t.id AND e.account NOT LIKE 'provider:%%'
    WHERE t.tenant_id <> %(platform)s::uuid
    GROUP BY 1, 2
) AS c
FULL JOIN model_usage AS u ON u.tenant_id = c.tenant_id AND op_key(u.request_id, u.attempt) = c.op
WHERE
    (coalesce(c.paid, 0) <> coalesce(u.cost_pico, 0) OR coalesce(c.discount, 0) <> coalesce(u.discount_pico, 0))
    AND (c.op IS NOT NULL OR u.created_at >= (SELECT min(at) FROM transfers))
ORDER BY 1
LIMIT %(limit)s;

-- name: counted
-- A call counts against budgets what it is charged within its hold, or more where its record says that nobody knows.
SELECT
    'call ' || c.op,
    'counts ' || c.counts || ' against budgets, charged ' || c.paid || CASE
        WHEN u.counted_pico IS NOT NULL THEN ', its record says ' || u.counted_pico
        ELSE ''
    END
FROM (
    SELECT
        t.tenant_id,
        CASE t.kind
            WHEN 'adjust' THEN left(t.op_key, -length(':adjust'))
            ELSE left(t.op_key, -length(':end'))
        END AS op,
        sum(t.posted_pico) AS counts,
        coalesce(sum(e.debit_pico - e.credit_pico), 0) AS paid
    FROM transfers AS t
    LEFT JOIN entries AS e ON e.transfer_id = t.id AND e.account LIKE 'key:%%'
    WHERE t.tenant_id <> %(platform)s::uuid AND t.kind <> 'reserve'
    GROUP BY 1, 2
) AS c
LEFT JOIN model_usage AS u ON u.tenant_id = c.tenant_id AND op_key(u.request_id, u.attempt) = c.op
WHERE c.counts < c.paid OR c.counts > greatest(c.paid, u.counted_pico)
ORDER BY 1
LIMIT %(limit)s;

-- name: stale_holds
SELECT
    'hold ' || op_key,
    'its lease lapsed ' || round(extract(epoch FROM clock_timestamp() - lease_until)) || ' s ago'
FROM holds
WHERE lease_until < clock_timestamp() - interval '60 seconds'
ORDER BY lease_until
LIMIT %(limit)s;
