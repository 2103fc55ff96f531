-- name: stored
-- What a tenant's files come to.
SELECT coalesce(sum(size_bytes), 0)::bigint FROM files WHERE tenant_id = %(tenant_id)s::uuid;

-- name: add
-- Told again it changes nothing.
INSERT INTO files (id, tenant_id, user_id, purpose, filename, expires_at)
VALUES (
    %(id)s, %(tenant_id)s::uuid, %(user_id)s::uuid, %(purpose)s, %(filename)s,
    now() + make_interval(secs => %(lasts_s)s::integer)
)
ON CONFLICT DO NOTHING;

-- name: add_chunk
INSERT INTO file_chunks (file_id, seq, data)
SELECT id, %(seq)s, %(data)s FROM files WHERE id = %(id)s AND NOT complete
ON CONFLICT DO NOTHING;

-- name: complete
UPDATE files
SET
    complete = true,
    size_bytes = %(size_bytes)s,
    expires_at = created_at + make_interval(secs => %(lasts_s)s::integer)
WHERE id = %(id)s
RETURNING id, tenant_id::text, user_id::text, purpose, filename, size_bytes, created_at, expires_at;

-- name: find
SELECT id, tenant_id::text, user_id::text, purpose, filename, size_bytes, created_at, expires_at
FROM files
WHERE
    id = %(id)s AND complete AND tenant_id = %(tenant_id)s::uuid AND user_id = %(user_id)s::uuid
    AND (expires_at IS NULL OR now() < expires_at);

-- name: list
SELECT f.id, f.tenant_id::text, f.user_id::text, f.purpose, f.filename, f.size_bytes, f.created_at, f.expires_at
FROM files AS f
LEFT JOIN files AS last ON last.id = %(after)s AND last.user_id = %(user_id)s::uuid
WHERE
    f.user_id = %(user_id)s::uuid AND f.tenant_id = %(tenant_id)s::uuid AND f.complete
    AND (f.expires_at IS NULL OR now() < f.expires_at)
    AND (%(purpose)s::text IS NULL OR f.purpose = %(purpose)s)
    AND (
        %(after)s::text IS NULL
        OR CASE WHEN %(oldest_first)s
            THEN (f.created_at, f.id) > (last.created_at, last.id)
            ELSE (f.created_at, f.id) < (last.created_at, last.id)
        END
    )
ORDER BY
    CASE WHEN %(oldest_first)s THEN f.created_at END,
    CASE WHEN %(oldest_first)s THEN f.id END,
    f.created_at DESC, f.id DESC
LIMIT %(limit)s;

-- name: chunk
SELECT c.data
FROM file_chunks AS c
WHERE c.file_id = %(id)s AND c.seq = %(seq)s;

-- name: delete
DELETE FROM files
WHERE id = %(id)s AND tenant_id = %(tenant_id)s::uuid AND user_id = %(user_id)s::uuid AND complete
RETURNING id;

-- name: discard
-- One that was not written to its end.
DELETE FROM files WHERE id = %(id)s AND NOT complete;

-- name: sweep
-- What has expired, and what somebody began to write and left.
DELETE FROM files
WHERE id IN (
    SELECT id FROM files
    WHERE expires_at < now() OR NOT complete AND created_at < now() - make_interval(secs => %(unfinished_s)s)
    LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
)
RETURNING id;
