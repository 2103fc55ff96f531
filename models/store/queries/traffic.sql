-- name: traffic
-- The latest decisions: what was offered, who answered in the end, what it cost, and how it was taken.
SELECT
    d.created_at, d.task, d.task_confidence, d.difficulty, d.mode, d.model_id, d.propensity, d.explored, d.artefact,
    (d.plan -> 'candidates')::text, u.model_id, u.status, u.cost, u.first_token_ms, u.response_time_ms, f.reward
FROM routing_decisions AS d
LEFT JOIN LATERAL (
    SELECT m.model_id, m.status, m.first_token_ms, m.response_time_ms, sum(m.cost_pico) OVER ()::bigint AS cost
    FROM model_usage AS m
    WHERE m.request_id = d.request_id AND m.tenant_id = d.tenant_id
    ORDER BY m.status = 'completed' DESC, m.attempt DESC
    LIMIT 1
) AS u ON true
LEFT JOIN LATERAL (
    SELECT avg(s.reward)::float8 AS reward
    FROM feedback AS s
    WHERE s.tenant_id = d.tenant_id AND s.user_id = d.user_id AND s.request_id = d.request_id
) AS f ON true
WHERE d.created_at >= %(since)s::timestamptz
ORDER BY d.created_at DESC
LIMIT %(most)s;
