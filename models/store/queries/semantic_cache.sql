-- name: scan_on
-- The index of neighbours goes on until it has found enough of what may be shown.
SELECT
    set_config('hnsw.iterative_scan', 'strict_order', true),
    set_config('hnsw.ef_search', '40', true);

-- name: count
-- How many there are to look at, counted no further than needed.
SELECT count(*)
FROM (
    SELECT
    FROM semantic_cache
    WHERE tenant_id = %(tenant_id)s::uuid AND user_id = %(user_id)s::uuid AND scope = %(scope)s
    LIMIT %(most)s
) AS found;

-- name: among_all
-- All of the scope, so that none is missed.
WITH own AS MATERIALIZED (
    SELECT name, answer, 1 - (embedding <=> %(vector)s::halfvec) AS similarity
    FROM semantic_cache
    WHERE
        tenant_id = %(tenant_id)s::uuid AND user_id = %(user_id)s::uuid AND scope = %(scope)s
        AND encoder = %(encoder)s AND expires_at > clock_timestamp()
)
SELECT similarity, name, answer
FROM own
WHERE similarity >= %(least)s
ORDER BY similarity DESC
LIMIT %(limit)s;

-- name: among_neighbours
WITH near AS MATERIALIZED (
    SELECT name, answer, 1 - (embedding <=> %(vector)s::halfvec) AS similarity
    FROM semantic_cache
    WHERE
        tenant_id = %(tenant_id)s::uuid AND user_id = %(user_id)s::uuid AND scope = %(scope)s
        AND encoder = %(encoder)s AND expires_at > clock_timestamp()
    ORDER BY embedding <=> %(vector)s::halfvec
    LIMIT %(limit)s
)
SELECT similarity, name, answer FROM near WHERE similarity >= %(least)s ORDER BY similarity DESC;

-- name: put
INSERT INTO semantic_cache (
    tenant_id, user_id, scope, name, model_id, encoder, embedding, answer, expires_at
)
VALUES (
    %(tenant_id)s::uuid,
    %(user_id)s::uuid,
    %(scope)s,
    %(name)s,
    %(model_id)s,
    %(encoder)s,
    %(vector)s::halfvec,
    %(answer)s,
    clock_timestamp() + make_interval(secs => %(ttl_s)s)
)
ON CONFLICT (tenant_id, user_id, name) DO UPDATE SET
    model_id = excluded.model_id,
    encoder = excluded.encoder,
    embedding = excluded.embedding,
    answer = excluded.answer,
    created_at = excluded.created_at,
    expires_at = excluded.expires_at;

-- name: trim
-- Of a user who has more than are kept the oldest.
DELETE FROM semantic_cache
WHERE tenant_id = %(tenant_id)s::uuid AND user_id = %(user_id)s::uuid AND name IN (
    SELECT name
    FROM semantic_cache
    WHERE tenant_id = %(tenant_id)s::uuid AND user_id = %(user_id)s::uuid
    ORDER BY created_at DESC
    OFFSET %(most)s
);

-- name: invalidate
DELETE FROM semantic_cache
WHERE
    tenant_id = %(tenant_id)s::uuid
    AND (%(user_id)s::uuid IS NULL OR user_id = %(user_id)s::uuid)
    AND (%(model_id)s::text IS NULL OR model_id = %(model_id)s);

-- name: sweep
DELETE FROM semantic_cache
WHERE (tenant_id, user_id, name) IN (
    SELECT tenant_id, user_id, name FROM semantic_cache WHERE expires_at <= clock_timestamp() LIMIT %(limit)s
);
