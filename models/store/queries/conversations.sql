-- name: now
SELECT clock_timestamp();

-- name: create
INSERT INTO conversations (
    id, tenant_id, user_id, title, version, head, branches, messages, bytes, model_history, cost_tracking, created_at,
    updated_at, expires_at
)
VALUES (
    %(id)s::uuid, %(tenant_id)s::uuid, %(user_id)s::uuid, %(title)s, %(version)s, %(head)s, %(branches)s, %(messages)s,
    %(bytes)s, %(model_history)s::jsonb, %(cost_tracking)s::jsonb, %(updated_at)s, %(updated_at)s, %(expires_at)s
)
ON CONFLICT (id) DO NOTHING
RETURNING id;

-- name: get
SELECT row_to_json(c)::text
FROM conversations AS c
WHERE
    c.id = %(id)s::uuid
    AND c.tenant_id = %(tenant_id)s::uuid
    AND (%(user_id)s::uuid IS NULL OR c.user_id = %(user_id)s::uuid)
    AND c.deleted_at IS NULL;

-- name: page
SELECT row_to_json(c)::text
FROM conversations AS c
WHERE
    c.tenant_id = %(tenant_id)s::uuid
    AND (%(user_id)s::uuid IS NULL OR c.user_id = %(user_id)s::uuid)
    AND c.deleted_at IS NULL
    AND (c.updated_at, c.id) < (%(updated_at)s::timestamptz, %(id)s::uuid)
    AND (%(model)s::jsonb IS NULL OR c.model_history @> %(model)s::jsonb)
ORDER BY c.updated_at DESC, c.id DESC
LIMIT %(limit)s;

-- name: lock
-- One writer at a time. Should its process be stopped in between, the others wait no longer than this.
SELECT c.id
FROM conversations AS c
CROSS JOIN set_config('idle_in_transaction_session_timeout', '2s', true)
WHERE
    c.id = %(id)s::uuid
    AND c.tenant_id = %(tenant_id)s::uuid
    AND (%(user_id)s::uuid IS NULL OR c.user_id = %(user_id)s::uuid)
    AND c.deleted_at IS NULL
FOR UPDATE OF c;

-- name: standing
-- Apart from the lock: a statement sees what was committed before it began, and this one begins when the lock is held.
SELECT json_build_object(
    'at', clock_timestamp(),
    'conversation', row_to_json(c),
    'branch', b.branch,
    'length', coalesce(tip.seq, 0),
    'tip', row_to_json(tip),
    'named', (SELECT row_to_json(a) FROM (SELECT named.id, named.branch, named.seq) AS a WHERE named.id IS NOT NULL),
    'before', (
        SELECT row_to_json(a)
        FROM (SELECT m.id, m.branch, m.seq FROM messages AS m WHERE m.id = named.parent_id) AS a
    ),
    'done', row_to_json(done)
)::text
FROM conversations AS c
LEFT JOIN conversation_branches AS b
    ON b.conversation_id = c.id AND b.branch = coalesce(%(branch)s::integer, c.head)
LEFT JOIN LATERAL (
    SELECT t.*
    FROM (
        (
            SELECT m.id, m.branch, m.seq FROM messages AS m
            WHERE m.conversation_id = c.id AND m.branch = b.branch
            ORDER BY m.seq DESC LIMIT 1
        )
        UNION ALL
        SELECT m.id, m.branch, m.seq FROM messages AS m
        WHERE m.conversation_id = c.id AND m.branch = b.parent AND m.seq = b.fork_seq
    ) AS t
    ORDER BY t.seq DESC
    LIMIT 1
) AS tip ON true
LEFT JOIN messages AS named ON named.id = %(named)s::uuid AND named.conversation_id = c.id
LEFT JOIN LATERAL (
    SELECT
        k.digest,
        k.version,
        k.branch,
        coalesce((
            SELECT json_agg(m.id ORDER BY m.seq)
            FROM messages AS m
            WHERE m.conversation_id = c.id AND m.branch = k.branch AND m.version = k.version
        ), '[]') AS message_ids
    FROM (
        SELECT encode(m.digest, 'hex') AS digest, m.version, m.branch FROM messages AS m
        WHERE m.conversation_id = c.id AND m.idempotency_key = %(key)s
        UNION ALL
        SELECT encode(f.digest, 'hex'), f.version, f.branch FROM conversation_branches AS f
        WHERE f.conversation_id = c.id AND f.idempotency_key = %(key)s
    ) AS k
) AS done ON true
WHERE c.id = %(id)s::uuid;

-- name: write
-- Messages that can be searched for are to be embedded; where the outbox is full, the conversation is marked instead.
WITH
forked AS (
    INSERT INTO conversation_branches (
        conversation_id, branch, parent, fork_seq, version, idempotency_key, digest, created_at
    )
    SELECT
        %(id)s::uuid, f.branch, f.parent, f.fork_seq, %(version)s, f.key, decode(f.digest, 'hex'), %(updated_at)s
    FROM unnest(
        %(branch)s::integer[], %(parent)s::integer[], %(fork_seq)s::integer[], %(branch_key)s::text[],
        %(branch_digest)s::text[]
    ) AS f (branch, parent, fork_seq, key, digest)
),
kept AS (
    INSERT INTO messages (
        id, conversation_id, branch, seq, parent_id, version, tenant_id, user_id, role, content, producer, tokens, bytes,
        text, idempotency_key, digest, created_at
    )
    SELECT
        m.id, %(id)s::uuid, m.branch, m.seq, m.parent_id, %(version)s, %(tenant_id)s::uuid, %(user_id)s::uuid, m.role,
        m.content::json, m.producer::json, m.tokens, m.bytes, m.text, m.key, decode(m.digest, 'hex'), m.created_at
    FROM unnest(
        %(message_id)s::uuid[], %(of_branch)s::integer[], %(seq)s::integer[], %(parent_id)s::uuid[], %(role)s::text[],
        %(content)s::text[], %(producer)s::text[], %(tokens)s::integer[], %(size)s::integer[], %(text)s::text[],
        %(key)s::text[], %(digest)s::text[], %(made_at)s::timestamptz[]
    ) AS m (id, branch, seq, parent_id, role, content, producer, tokens, bytes, text, key, digest, created_at)
    RETURNING id, text <> '' AS speaks
),
queued AS (
    INSERT INTO embedding_outbox (message_id)
    SELECT id FROM kept
    WHERE
        speaks
        AND (SELECT count(*) FROM (SELECT FROM embedding_outbox LIMIT %(outbox)s) AS o)
        + (SELECT count(*) FROM kept) <= %(outbox)s
    RETURNING message_id
)
UPDATE conversations
SET
    title = %(title)s,
    version = %(version)s,
    head = %(head)s,
    branches = %(branches)s,
    messages = %(messages)s,
    bytes = %(bytes)s,
    model_history = %(model_history)s::jsonb,
    cost_tracking = %(cost_tracking)s::jsonb,
    updated_at = %(updated_at)s,
    embedding_behind = embedding_behind
        OR (SELECT count(*) FROM kept WHERE speaks) > (SELECT count(*) FROM queued)
WHERE id = %(id)s::uuid;

-- name: change
UPDATE conversations AS c
SET
    title = CASE WHEN %(has_title)s THEN %(title)s ELSE c.title END,
    head = CASE WHEN %(has_head)s THEN %(head)s::integer ELSE c.head END,
    expires_at = CASE WHEN %(has_expires_at)s THEN %(expires_at)s::timestamptz ELSE c.expires_at END,
    version = c.version + 1,
    updated_at = clock_timestamp()
WHERE c.id = %(id)s::uuid
RETURNING row_to_json(c)::text;

-- name: has_branch
SELECT EXISTS (
    SELECT FROM conversation_branches WHERE conversation_id = %(id)s::uuid AND branch = %(branch)s
);

-- name: note
UPDATE conversations AS c
SET context_metadata = c.context_metadata || %(metadata)s::jsonb
WHERE
    c.id = %(id)s::uuid
    AND c.tenant_id = %(tenant_id)s::uuid
    AND (%(user_id)s::uuid IS NULL OR c.user_id = %(user_id)s::uuid)
    AND c.deleted_at IS NULL
    AND octet_length((c.context_metadata || %(metadata)s::jsonb)::text) <= %(max_bytes)s
RETURNING c.id;

-- name: delete
UPDATE conversations SET deleted_at = clock_timestamp(), version = version + 1 WHERE id = %(id)s::uuid
RETURNING version;

-- name: path
-- Columns rather than JSON: a long history is read in half the time.
SELECT
    m.id::text, m.parent_id::text, m.branch, m.seq, m.version, m.content::text, m.producer::text, m.tokens, m.bytes,
    m.created_at
FROM branch_segments(%(id)s::uuid, %(branch)s, %(after)s, NULL) AS s
CROSS JOIN LATERAL (
    SELECT *
    FROM messages AS m
    WHERE
        m.conversation_id = %(id)s::uuid
        AND m.branch = s.branch
        AND m.seq BETWEEN s.first_seq AND s.last_seq
        AND m.version <= %(version)s
) AS m
ORDER BY m.seq;

-- name: stretch
-- So many messages from one end of what is asked for, and no more than so many bytes; but one.
SELECT
    m.id::text, m.parent_id::text, m.branch, m.seq, m.version, m.content::text, m.producer::text, m.tokens, m.bytes,
    m.created_at
FROM (
    SELECT m.*, sum(m.bytes) OVER (ORDER BY m.place) - m.bytes AS before
    FROM (
        SELECT m.*, CASE WHEN %(newest_first)s THEN -m.seq ELSE m.seq END AS place
        FROM branch_segments(%(id)s::uuid, %(branch)s, %(after)s, %(before)s) AS s
        CROSS JOIN LATERAL (
            SELECT *
            FROM messages AS m
            WHERE
                m.conversation_id = %(id)s::uuid
                AND m.branch = s.branch
                AND m.seq BETWEEN s.first_seq AND s.last_seq
                AND m.version <= %(version)s
        ) AS m
        ORDER BY place
        LIMIT %(limit)s
    ) AS m
) AS m
WHERE m.before < %(max_bytes)s
ORDER BY m.seq;

-- name: messages
SELECT
    m.id::text, m.parent_id::text, m.branch, m.seq, m.version, m.content::text, m.producer::text, m.tokens, m.bytes,
    m.created_at
FROM messages AS m
WHERE m.conversation_id = %(id)s::uuid AND m.version <= %(version)s
ORDER BY m.branch, m.seq;

-- name: branches
SELECT row_to_json(b)::text
FROM conversation_branches AS b
WHERE b.conversation_id = %(id)s::uuid AND b.version <= %(version)s
ORDER BY b.branch;

-- name: policy
SELECT row_to_json(p)::text FROM conversation_policies AS p WHERE p.tenant_id = %(tenant_id)s::uuid;

-- name: set_policy
INSERT INTO conversation_policies (tenant_id, retention_days, grace_days, updated_at)
VALUES (%(tenant_id)s::uuid, %(retention_days)s, %(grace_days)s, clock_timestamp())
ON CONFLICT (tenant_id) DO UPDATE
SET
    retention_days = excluded.retention_days,
    grace_days = excluded.grace_days,
    updated_at = excluded.updated_at;

-- name: expire
-- What changes at this moment is passed over, and looked at anew when the job comes round.
WITH
due AS (
    (
        SELECT c.id, c.updated_at
        FROM conversations AS c
        WHERE c.deleted_at IS NULL AND c.expires_at <= clock_timestamp()
        LIMIT %(limit)s
    )
    UNION
    SELECT old.id, old.updated_at
    FROM conversation_policies AS p
    CROSS JOIN LATERAL (
        SELECT c.id, c.updated_at
        FROM conversations AS c
        WHERE
            c.deleted_at IS NULL
            AND c.tenant_id = p.tenant_id
            AND c.updated_at < clock_timestamp() - p.retention_days * interval '1 day'
        LIMIT %(limit)s
    ) AS old
    WHERE p.retention_days IS NOT NULL
),
held AS (
    SELECT c.id
    FROM conversations AS c
    JOIN due AS d ON d.id = c.id AND d.updated_at = c.updated_at
    LIMIT %(limit)s
    FOR UPDATE OF c SKIP LOCKED
)
UPDATE conversations AS c
SET deleted_at = clock_timestamp(), version = c.version + 1
FROM held AS h
WHERE c.id = h.id;

-- name: purge
-- As many of those deleted longest ago as make up so many messages: what hangs on them goes with them.
WITH
held AS (
    SELECT c.id, c.messages, c.deleted_at
    FROM conversations AS c
    LEFT JOIN conversation_policies AS p ON p.tenant_id = c.tenant_id
    WHERE
        c.deleted_at IS NOT NULL
        AND c.deleted_at <= clock_timestamp() - coalesce(p.grace_days, %(grace_days)s) * interval '1 day'
    ORDER BY c.deleted_at
    LIMIT 100
    FOR UPDATE OF c SKIP LOCKED
),
measured AS (
    SELECT h.id, sum(h.messages) OVER (ORDER BY h.deleted_at, h.id) - h.messages AS before FROM held AS h
)
DELETE FROM conversations AS c
USING measured AS m
WHERE c.id = m.id AND m.before < %(messages)s;
