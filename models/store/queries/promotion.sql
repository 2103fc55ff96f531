-- name: order_promotion
INSERT INTO router_promotions
(serving, candidate, serving_folder, candidate_folder, candidate_version, stage, share, ordered_by)
VALUES
(
    %(serving)s, %(candidate)s, %(serving_folder)s::text, %(candidate_folder)s, %(candidate_version)s, %(stage)s,
    %(share)s::real, %(ordered_by)s
)
RETURNING id;

-- name: promotion
SELECT
    p.id, p.serving, p.candidate, p.serving_folder, p.candidate_folder, p.candidate_version, p.stage, p.share,
    p.ordered_by, p.since, p.verdict::text, p.rolled_back_at, p.rolled_back_by, p.rolled_back_why
FROM router_promotions AS p
WHERE %(id)s::bigint IS NULL OR p.id = %(id)s::bigint
ORDER BY p.id DESC
LIMIT 1;

-- name: report_trial
INSERT INTO router_trials AS t
(promotion_id, replica, serving, candidate, stands, refused, evidence, seen_at)
SELECT
    p.id, %(replica)s, %(serving)s, %(candidate)s, %(stands)s::boolean, %(refused)s, %(evidence)s::jsonb, now()
FROM router_promotions AS p
WHERE p.id = %(id)s::bigint
ON CONFLICT (promotion_id, replica) DO UPDATE SET
    serving = excluded.serving,
    candidate = excluded.candidate,
    stands = excluded.stands,
    refused = excluded.refused,
    evidence = excluded.evidence,
    seen_at = excluded.seen_at;

-- name: trials
SELECT
    t.replica, t.serving, t.candidate, t.stands, t.refused, t.evidence::text,
    extract(EPOCH FROM now() - t.seen_at)::float8
FROM router_trials AS t
WHERE t.promotion_id = %(id)s::bigint
ORDER BY t.replica;

-- name: claim_judgement
-- One of those who ask judges; the others have nothing to do for a while.
UPDATE router_promotions
SET judged_at = now()
WHERE
    id = %(id)s::bigint
    AND rolled_back_at IS NULL
    AND (judged_at IS NULL OR judged_at < now() - make_interval(secs => %(every_s)s::float8))
RETURNING id;

-- name: outcomes
-- Of the latest decisions of both: how requests ended, and how the answers were taken. A candidate that answers all
-- is held against what was before it. No user counts for more than a few.
WITH latest AS (
    SELECT d.artefact, d.tenant_id, d.request_id, d.user_id
    FROM router_promotions AS p
    CROSS JOIN LATERAL (VALUES (p.serving), (p.candidate)) AS side (artefact)
    CROSS JOIN LATERAL (
        SELECT r.artefact, r.tenant_id, r.request_id, r.user_id
        FROM routing_decisions AS r
        WHERE
            r.artefact = side.artefact
            AND r.created_at >= CASE
                WHEN p.stage = 'full' AND side.artefact = p.serving
                    THEN p.since - make_interval(secs => %(before_s)s::float8)
                ELSE p.since
            END
        ORDER BY r.created_at DESC
        LIMIT %(most)s
    ) AS d
    WHERE p.id = %(id)s::bigint
),

taken AS (
    SELECT
        l.artefact,
        1 - avg(f.reward) AS dissatisfaction,
        row_number() OVER (PARTITION BY l.artefact, l.user_id ORDER BY l.request_id) AS of_user
    FROM latest AS l
    JOIN feedback AS f ON l.tenant_id = f.tenant_id AND l.user_id = f.user_id AND l.request_id = f.request_id
    GROUP BY l.artefact, l.tenant_id, l.user_id, l.request_id
)

SELECT
    l.artefact,
    count(*) AS requests,
    count(*) FILTER (WHERE u.status = 'failed') AS errors,
    (SELECT count(*) FROM taken AS t WHERE t.artefact = l.artefact AND t.of_user <= %(most_of_user)s) AS rated,
    (
        SELECT coalesce(sum(t.dissatisfaction), 0)::float8
        FROM taken AS t
        WHERE t.artefact = l.artefact AND t.of_user <= %(most_of_user)s
    ) AS total,
    (
        SELECT coalesce(sum(t.dissatisfaction ^ 2), 0)::float8
        FROM taken AS t
        WHERE t.artefact = l.artefact AND t.of_user <= %(most_of_user)s
    ) AS squares
FROM latest AS l
LEFT JOIN LATERAL (
    SELECT m.status
    FROM model_usage AS m
    WHERE m.request_id = l.request_id AND m.tenant_id = l.tenant_id
    ORDER BY m.status = 'completed' DESC, m.attempt DESC
    LIMIT 1
) AS u ON true
GROUP BY l.artefact;

-- name: keep_verdict
UPDATE router_promotions SET verdict = %(verdict)s::jsonb WHERE id = %(id)s::bigint AND rolled_back_at IS NULL;

-- name: roll_back
UPDATE router_promotions
SET rolled_back_at = now(), rolled_back_by = %(by)s, rolled_back_why = %(why)s
WHERE id = %(id)s::bigint AND rolled_back_at IS NULL
RETURNING id;
