-- name: claim
-- Whose work is not done by then is taken for lost; after so many attempts the message itself is taken for the cause.
WITH
due AS (
    SELECT o.message_id
    FROM embedding_outbox AS o
    WHERE o.due_at <= clock_timestamp()
    ORDER BY o.due_at
    LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
),
hopeless AS (
    DELETE FROM embedding_outbox AS o
    USING due AS d
    WHERE o.message_id = d.message_id AND o.attempts >= %(attempts)s
    RETURNING o.message_id
),
taken AS (
    UPDATE embedding_outbox AS o
    SET attempts = o.attempts + 1, due_at = clock_timestamp() + %(lease_s)s * interval '1 second'
    FROM due AS d
    WHERE o.message_id = d.message_id AND o.attempts < %(attempts)s
    RETURNING o.message_id
)
SELECT json_build_object('message_id', m.id, 'text', m.text, 'hopeless', h.message_id IS NOT NULL)::text
FROM due AS d
JOIN messages AS m ON m.id = d.message_id
LEFT JOIN hopeless AS h ON h.message_id = d.message_id;

-- name: keep
-- A message that was purged meanwhile stays gone.
WITH
made AS (
    SELECT v.message_id, v.piece, v.embedding
    FROM unnest(%(message_id)s::uuid[], %(piece)s::smallint[], %(embedding)s::text[])
        AS v (message_id, piece, embedding)
),
there AS MATERIALIZED (
    SELECT m.id, m.conversation_id, m.tenant_id, m.user_id
    FROM messages AS m
    WHERE m.id IN (SELECT message_id FROM made)
    ORDER BY m.id
    FOR KEY SHARE
),
done AS (
    DELETE FROM embedding_outbox AS o WHERE o.message_id = ANY(%(done)s::uuid[])
)
INSERT INTO message_embeddings (message_id, piece, conversation_id, tenant_id, user_id, encoder, embedding)
SELECT t.id, v.piece, t.conversation_id, t.tenant_id, t.user_id, %(encoder)s, v.embedding::halfvec
FROM made AS v
JOIN there AS t ON t.id = v.message_id
ON CONFLICT (message_id, piece) DO UPDATE SET encoder = excluded.encoder, embedding = excluded.embedding;

-- name: release
-- The encoder is away: that is no fault of these messages.
UPDATE embedding_outbox AS o
SET attempts = greatest(o.attempts - 1, 0), due_at = clock_timestamp() + %(delay_s)s * interval '1 second'
WHERE o.message_id = ANY(%(message_id)s::uuid[]);

-- name: catch_up
-- Puts messages of conversations that are behind into the outbox, as many as there is room for; a conversation of which
-- all found room is no longer behind.
WITH
room AS (
    SELECT greatest(%(outbox)s - count(*), 0) AS messages
    FROM (SELECT FROM embedding_outbox LIMIT %(outbox)s) AS o
),
behind AS (
    SELECT c.id
    FROM conversations AS c
    WHERE c.embedding_behind AND c.deleted_at IS NULL
    ORDER BY c.updated_at
    LIMIT %(conversations)s
    FOR UPDATE SKIP LOCKED
),
missing AS MATERIALIZED (
    SELECT m.id, m.conversation_id, row_number() OVER (ORDER BY m.created_at, m.id) AS place
    FROM messages AS m
    JOIN behind AS b ON b.id = m.conversation_id
    WHERE
        m.text <> ''
        AND NOT EXISTS (SELECT FROM message_embeddings AS e WHERE e.message_id = m.id)
        AND NOT EXISTS (SELECT FROM embedding_outbox AS o WHERE o.message_id = m.id)
),
queued AS (
    INSERT INTO embedding_outbox (message_id)
    SELECT m.id FROM missing AS m CROSS JOIN room AS r WHERE m.place <= r.messages
    RETURNING message_id
),
done AS (
    UPDATE conversations AS c
    SET embedding_behind = false
    FROM behind AS b
    WHERE
        c.id = b.id
        AND NOT EXISTS (
            SELECT FROM missing AS m CROSS JOIN room AS r WHERE m.conversation_id = c.id AND m.place > r.messages
        )
)
SELECT count(*) FROM queued;

-- name: lag
SELECT json_build_object(
    'waiting', count(*),
    'oldest_s', coalesce(extract(epoch FROM clock_timestamp() - min(o.queued_at)), 0),
    'behind', (SELECT count(*) FROM (SELECT FROM conversations WHERE embedding_behind LIMIT 10000) AS b)
)::text
FROM embedding_outbox AS o;
