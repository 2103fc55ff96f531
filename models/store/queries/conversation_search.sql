-- name: scan_on
-- The index of neighbours goes on until it has found enough that may be shown.
SELECT
    set_config('hnsw.iterative_scan', 'relaxed_order', true),
    set_config('hnsw.ef_search', least(%(candidates)s, 1000)::text, true);

-- name: by_words
SELECT m.id::text
FROM messages AS m
JOIN conversations AS c ON c.id = m.conversation_id
CROSS JOIN (
    SELECT CASE
        WHEN %(any)s THEN replace(plainto_tsquery('english', %(words)s)::text, '&', '|')::tsquery
        ELSE websearch_to_tsquery('english', %(words)s)
    END AS wanted
) AS q
WHERE
    m.words @@ q.wanted
    AND m.tenant_id = %(tenant_id)s::uuid
    AND (%(user_id)s::uuid IS NULL OR m.user_id = %(user_id)s::uuid)
    AND (%(conversation_id)s::uuid IS NULL OR m.conversation_id = %(conversation_id)s::uuid)
    AND c.deleted_at IS NULL
ORDER BY ts_rank_cd(m.words, q.wanted, 1) DESC, m.created_at DESC, m.id
LIMIT %(candidates)s;

-- name: vectors
-- How many there are to look at, counted no further than needed.
SELECT count(*)
FROM (
    SELECT
    FROM message_embeddings AS e
    WHERE
        e.tenant_id = %(tenant_id)s::uuid
        AND (%(user_id)s::uuid IS NULL OR e.user_id = %(user_id)s::uuid)
        AND (%(conversation_id)s::uuid IS NULL OR e.conversation_id = %(conversation_id)s::uuid)
    LIMIT %(limit)s
) AS found;

-- name: by_meaning
-- All of the owner's, so that none is missed.
SELECT e.message_id::text
FROM message_embeddings AS e
JOIN conversations AS c ON c.id = e.conversation_id
WHERE
    e.tenant_id = %(tenant_id)s::uuid
    AND (%(user_id)s::uuid IS NULL OR e.user_id = %(user_id)s::uuid)
    AND (%(conversation_id)s::uuid IS NULL OR e.conversation_id = %(conversation_id)s::uuid)
    AND e.encoder = %(encoder)s
    AND c.deleted_at IS NULL
GROUP BY e.message_id
ORDER BY min(e.embedding <=> %(vector)s::halfvec), e.message_id
LIMIT %(candidates)s;

-- name: by_neighbours
SELECT e.message_id::text
FROM message_embeddings AS e
JOIN conversations AS c ON c.id = e.conversation_id
WHERE
    e.tenant_id = %(tenant_id)s::uuid
    AND (%(user_id)s::uuid IS NULL OR e.user_id = %(user_id)s::uuid)
    AND (%(conversation_id)s::uuid IS NULL OR e.conversation_id = %(conversation_id)s::uuid)
    AND e.encoder = %(encoder)s
    AND c.deleted_at IS NULL
ORDER BY e.embedding <=> %(vector)s::halfvec
LIMIT %(candidates)s;

-- name: hits
WITH
scored AS MATERIALIZED (
    SELECT
        m.id,
        m.created_at,
        q.wanted,
        coalesce(ts_rank_cd(m.words, q.wanted, 1), 0) AS rank,
        coalesce((
            SELECT max(1 - (e.embedding <=> %(vector)s::halfvec))
            FROM message_embeddings AS e
            WHERE e.message_id = m.id AND e.encoder = %(encoder)s
        ), 0) AS similarity
    FROM messages AS m
    CROSS JOIN (
        SELECT CASE
            WHEN %(any)s THEN replace(plainto_tsquery('english', %(words)s)::text, '&', '|')::tsquery
            ELSE websearch_to_tsquery('english', %(words)s)
        END AS wanted
    ) AS q
    WHERE m.id = ANY(%(ids)s::uuid[])
),
best AS MATERIALIZED (
    SELECT s.*, coalesce(s.rank / nullif(max(s.rank) OVER (), 0), 0) + s.similarity AS score
    FROM scored AS s
    ORDER BY score DESC, s.created_at DESC, s.id
    LIMIT %(limit)s
)
SELECT json_build_object(
    'message_id', m.id,
    'conversation_id', c.id,
    'title', c.title,
    'user_id', c.user_id,
    'branch', m.branch,
    'seq', m.seq,
    'role', m.role,
    'score', b.score,
    'similarity', b.similarity,
    'marked', CASE
        WHEN b.rank = 0 THEN left(m.text, %(snippet)s)
        ELSE ts_headline('english', left(m.text, 32768), b.wanted, %(headline)s)
    END
)::text
FROM best AS b
JOIN messages AS m ON m.id = b.id
JOIN conversations AS c ON c.id = m.conversation_id
ORDER BY b.score DESC, b.created_at DESC, b.id;

-- name: closeness
-- How close in meaning each message of one conversation is, the closest stretch of a long one counting for it.
SELECT coalesce(json_object_agg(close.message_id, close.closeness), '{}')::text
FROM (
    SELECT e.message_id, 1 - min(e.embedding <=> %(vector)s::halfvec) AS closeness
    FROM message_embeddings AS e
    WHERE e.conversation_id = %(conversation_id)s::uuid AND e.encoder = %(encoder)s
    GROUP BY e.message_id
) AS close;
