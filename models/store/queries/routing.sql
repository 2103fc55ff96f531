-- name: note_decisions
-- Told again it changes nothing.
INSERT INTO routing_decisions
(
    tenant_id, request_id, user_id, key_id, conversation_id, mode, task, task_confidence, difficulty, model_id,
    propensity, explored, plan, created_at
)
SELECT
    d.tenant_id, d.request_id, d.user_id, d.key_id, d.conversation_id, d.mode, d.task, d.task_confidence,
    d.difficulty, d.model_id, d.propensity, d.explored, d.plan, d.created_at
FROM jsonb_to_recordset(%(decisions)s::jsonb) AS d (
    tenant_id uuid, request_id text, user_id uuid, key_id text, conversation_id text, mode text, task text,
    task_confidence real, difficulty real, model_id text, propensity real, explored boolean, plan jsonb,
    created_at timestamptz
)
ON CONFLICT DO NOTHING;

-- name: decision
SELECT d.plan::text
FROM routing_decisions AS d
WHERE
    d.tenant_id = %(tenant_id)s::uuid
    AND d.request_id = %(request_id)s
    AND (%(user_id)s::uuid IS NULL OR d.user_id = %(user_id)s::uuid);

-- name: forget_decisions
DELETE FROM routing_decisions WHERE created_at < %(before)s::timestamptz;

-- name: answered
-- Who answered a request of a user's, and what had been decided, if the router was asked.
SELECT
    u.model_id,
    coalesce(d.task, u.task) AS task,
    (
        SELECT (c.value ->> 'quality')::real
        FROM jsonb_array_elements(d.plan -> 'candidates') AS c
        WHERE c.value ->> 'model_id' = u.model_id
        LIMIT 1
    ) AS expected
FROM model_usage AS u
LEFT JOIN routing_decisions AS d ON d.tenant_id = u.tenant_id AND d.request_id = u.request_id
WHERE
    u.request_id = %(request_id)s
    AND u.tenant_id = %(tenant_id)s::uuid
    AND u.user_id = %(user_id)s::uuid
ORDER BY u.status = 'completed' DESC, u.attempt DESC
LIMIT 1;

-- name: add_feedback
-- The same again changes nothing; a changed mind is learned as well.
INSERT INTO feedback AS f
(
    tenant_id, user_id, request_id, signal, kind, value, comment, compared_model_id, model_id, task, reward,
    expected, created_at
)
VALUES
(
    %(tenant_id)s::uuid, %(user_id)s::uuid, %(request_id)s, %(signal)s, %(kind)s, %(value)s::real, %(comment)s::text,
    %(compared_model_id)s::text, %(model_id)s, %(task)s::text, %(reward)s::real, %(expected)s::real, now()
)
ON CONFLICT (tenant_id, user_id, request_id, signal) DO UPDATE SET
    comment = coalesce(excluded.comment, f.comment),
    value = excluded.value,
    reward = excluded.reward,
    compared_model_id = excluded.compared_model_id,
    learned_at = CASE WHEN f.reward = excluded.reward THEN f.learned_at END
RETURNING f.xmax = 0;

-- name: lock_learner
INSERT INTO routing_learner AS l (scope, version, state, updated_at)
VALUES (%(scope)s, 0, '{}', now())
ON CONFLICT (scope) DO UPDATE SET version = l.version
RETURNING l.state::text;

-- name: keep_learned
UPDATE routing_learner
SET version = %(version)s::bigint, state = %(state)s::json, updated_at = now()
WHERE scope = %(scope)s;

-- name: learned
SELECT l.state::text FROM routing_learner AS l WHERE l.scope = %(scope)s AND l.version > %(version)s::bigint;

-- name: unlearned
UPDATE feedback AS f
SET learned_at = now()
FROM (
    SELECT w.id
    FROM feedback AS w
    WHERE w.learned_at IS NULL AND w.task IS NOT NULL
    ORDER BY w.created_at
    LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
) AS waiting
WHERE f.id = waiting.id
RETURNING f.user_id::text, f.model_id, f.task, f.kind, f.reward, f.expected, f.signal, f.compared_model_id;

-- name: add_taste
-- The sums fade by half in %(half_life_s)s seconds.
INSERT INTO user_model_preferences AS p
(user_id, model_id, task_type, preference_score, weight, gain, updated_at)
VALUES
(
    %(user_id)s::uuid, %(model_id)s, %(task)s,
    greatest(-1, least(1, %(gain)s::float8 * %(weight)s::float8 / (%(shrinkage)s::float8 + %(weight)s::float8))),
    %(weight)s::float8, %(gain)s::float8 * %(weight)s::float8, now()
)
ON CONFLICT (user_id, model_id, task_type) DO UPDATE SET
    (weight, gain, preference_score) = (
        SELECT s.weight, s.gain, greatest(-1, least(1, s.gain / (%(shrinkage)s::float8 + s.weight)))
        FROM (
            SELECT
                p.weight * k.kept + excluded.weight AS weight,
                p.gain * k.kept + excluded.gain AS gain
            FROM (
                SELECT
                    power(0.5, extract(EPOCH FROM now() - p.updated_at)::float8 / %(half_life_s)s::float8) AS kept
            ) AS k
        ) AS s
    ),
    updated_at = now();

-- name: tastes
SELECT p.model_id, p.task_type, p.weight, p.gain, extract(EPOCH FROM p.updated_at)::float8
FROM user_model_preferences AS p
WHERE p.user_id = %(user_id)s::uuid;

-- name: policies
SELECT p.key_id, p.policy::text FROM routing_policies AS p WHERE p.tenant_id = %(tenant_id)s::uuid;

-- name: keep_policy
INSERT INTO routing_policies (tenant_id, key_id, policy, updated_at)
VALUES (%(tenant_id)s::uuid, %(key_id)s::text, %(policy)s::jsonb, now())
ON CONFLICT (tenant_id, key_id) DO UPDATE SET policy = excluded.policy, updated_at = now();

-- name: keep_performance
-- Whoever is first in a minute keeps it; others find it kept.
INSERT INTO model_performance
(
    model_id, avg_response_time_ms, availability_percentage, error_rate, user_satisfaction_score, first_token_ms,
    first_token_p95_ms, tokens_per_s, calls, measured_at
)
SELECT
    m.model_id, m.avg_response_time_ms, m.availability_percentage, m.error_rate,
    (
        SELECT avg(f.reward)::numeric(3, 2)
        FROM feedback AS f
        WHERE f.model_id = m.model_id AND f.kind = 'explicit' AND f.created_at > now() - interval '7 days'
    ),
    m.first_token_ms, m.first_token_p95_ms, m.tokens_per_s, m.calls, date_trunc('minute', now())
FROM jsonb_to_recordset(%(rows)s::jsonb) AS m (
    model_id text, avg_response_time_ms integer, availability_percentage numeric, error_rate numeric,
    first_token_ms real, first_token_p95_ms real, tokens_per_s real, calls real
)
ON CONFLICT DO NOTHING;

-- name: last_performance
SELECT DISTINCT ON (m.model_id)
    m.model_id, m.first_token_ms, m.first_token_p95_ms, m.tokens_per_s
FROM model_performance AS m
WHERE m.measured_at > now() - interval '1 day'
ORDER BY m.model_id, m.measured_at DESC;

-- name: answer_lengths
SELECT d.task, u.model_id, count(*), avg(u.output_tokens)::float8
FROM routing_decisions AS d
JOIN model_usage AS u ON u.request_id = d.request_id AND u.tenant_id = d.tenant_id
WHERE d.created_at > now() - interval '28 days' AND d.task IS NOT NULL AND u.status = 'completed'
GROUP BY d.task, u.model_id;

-- name: note_implied
-- What users did after answers that the router had chosen; of others nobody knows what they were for.
INSERT INTO feedback
(tenant_id, user_id, request_id, signal, kind, model_id, task, reward, expected, created_at)
SELECT
    d.tenant_id, d.user_id, d.request_id, s.signal, 'implicit', u.model_id, d.task, s.reward, c.quality, now()
FROM jsonb_to_recordset(%(signals)s::jsonb) AS s (
    tenant_id uuid, user_id uuid, request_id text, message_id uuid, signal text, reward real
)
LEFT JOIN messages AS a ON a.id = s.message_id
JOIN routing_decisions AS d
    ON
        d.tenant_id = s.tenant_id
        AND d.user_id = s.user_id
        AND d.request_id = coalesce(a.producer ->> 'request_id', s.request_id)
CROSS JOIN LATERAL (
    SELECT m.model_id FROM model_usage AS m
    WHERE m.request_id = d.request_id AND m.tenant_id = d.tenant_id
    ORDER BY m.status = 'completed' DESC, m.attempt DESC
    LIMIT 1
) AS u
LEFT JOIN LATERAL (
    SELECT (o.value ->> 'quality')::real AS quality
    FROM jsonb_array_elements(d.plan -> 'candidates') AS o
    WHERE o.value ->> 'model_id' = u.model_id
    LIMIT 1
) AS c ON TRUE
WHERE d.task IS NOT NULL
ON CONFLICT DO NOTHING;
