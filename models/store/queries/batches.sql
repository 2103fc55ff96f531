-- name: add
-- Told again it changes nothing. No more than so many of a user's are open at once.
INSERT INTO batches (
    id, tenant_id, user_id, key_id, endpoint, input_file_id, completion_window, metadata, output_lasts_s, expires_at
)
SELECT
    %(id)s, %(tenant_id)s::uuid, %(user_id)s::uuid, %(key_id)s, %(endpoint)s, %(input_file_id)s,
    %(completion_window)s, %(metadata)s::jsonb, %(output_lasts_s)s::integer,
    now() + make_interval(secs => %(window_s)s::integer)
WHERE (
    SELECT count(*) FROM batches
    WHERE
        user_id = %(user_id)s::uuid
        AND status IN ('validating', 'in_progress', 'finalizing', 'cancelling')
) < %(most_open)s
ON CONFLICT DO NOTHING;

-- name: find
SELECT row_to_json(b)::text
FROM batches AS b
WHERE b.id = %(id)s AND b.tenant_id = %(tenant_id)s::uuid AND b.user_id = %(user_id)s::uuid;

-- name: list
SELECT row_to_json(b)::text
FROM batches AS b
LEFT JOIN batches AS last ON last.id = %(after)s AND last.user_id = %(user_id)s::uuid
WHERE
    b.user_id = %(user_id)s::uuid AND b.tenant_id = %(tenant_id)s::uuid
    AND (%(after)s::text IS NULL OR (b.created_at, b.id) < (last.created_at, last.id))
ORDER BY b.created_at DESC, b.id DESC
LIMIT %(limit)s;

-- name: cancel
UPDATE batches
SET status = 'cancelling', cancelling_at = now()
WHERE
    id = %(id)s AND tenant_id = %(tenant_id)s::uuid AND user_id = %(user_id)s::uuid
    AND status IN ('validating', 'in_progress');

-- name: take
-- One that waits for what only one may do at a time: for its file to be read or its results to be written.
UPDATE batches AS b
SET holder = %(holder)s, held_until = now() + make_interval(secs => %(lease_s)s)
FROM (
    SELECT o.id
    FROM batches AS o
    WHERE
        o.held_until < now()
        AND (
            o.status IN ('validating', 'finalizing')
            OR o.status = 'cancelling' AND o.ends_as IS NOT NULL
            OR o.status = 'in_progress' AND o.completed + o.failed = o.total
            OR (o.status = 'cancelling' OR o.status = 'in_progress' AND o.expires_at <= now())
            AND NOT EXISTS (
                SELECT FROM batch_lines AS l
                WHERE l.batch_id = o.id AND l.state = 'running' AND l.ready_at > now()
            )
        )
    ORDER BY o.created_at
    LIMIT 1
    FOR UPDATE SKIP LOCKED
) AS waiting
WHERE b.id = waiting.id
RETURNING row_to_json(b)::text;

-- name: hold
-- Who takes so long says that they are still at it.
UPDATE batches
SET held_until = now() + make_interval(secs => %(lease_s)s)
WHERE id = %(id)s AND holder = %(holder)s
RETURNING id;

-- name: drop_lines
DELETE FROM batch_lines
WHERE
    batch_id = %(id)s
    AND number IN (SELECT number FROM batch_lines WHERE batch_id = %(id)s ORDER BY number LIMIT %(limit)s)
    AND EXISTS (SELECT FROM batches WHERE id = %(id)s AND holder = %(holder)s)
RETURNING number;

-- name: add_lines
INSERT INTO batch_lines (batch_id, number, custom_id, url, body)
SELECT b.id, l.number, l.custom_id, l.url, l.body
FROM batches AS b, unnest(
    %(numbers)s::integer[], %(custom_ids)s::text[], %(urls)s::text[], %(bodies)s::bytea[]
) AS l (number, custom_id, url, body)
WHERE b.id = %(id)s AND b.holder = %(holder)s
ON CONFLICT DO NOTHING;

-- name: begin
-- All of its lines are there. One that was cancelled meanwhile is only counted.
UPDATE batches
SET
    total = %(total)s,
    status = CASE WHEN status = 'validating' THEN 'in_progress' ELSE status END,
    in_progress_at = CASE WHEN status = 'validating' THEN now() ELSE in_progress_at END,
    holder = NULL,
    held_until = '-infinity'
WHERE id = %(id)s AND holder = %(holder)s;

-- name: fail
UPDATE batches
SET
    status = 'failed', failed_at = now(), faults = %(faults)s::jsonb, total = %(total)s, holder = NULL,
    held_until = '-infinity'
WHERE id = %(id)s AND holder = %(holder)s;

-- name: close
-- From here on no line of it is answered any more.
UPDATE batches
SET
    ends_as = coalesce(
        ends_as,
        CASE
            WHEN status = 'cancelling' THEN 'cancelled'
            WHEN completed + failed = total THEN 'completed'
            ELSE 'expired'
        END
    ),
    status = CASE WHEN status = 'cancelling' THEN status ELSE 'finalizing' END,
    finalizing_at = coalesce(finalizing_at, now())
WHERE id = %(id)s AND holder = %(holder)s
RETURNING ends_as;

-- name: results
-- A page of them, at least one however long it is.
SELECT r.number, r.custom_id, r.state, r.status_code, r.request_id, r.answer
FROM (
    SELECT
        number, custom_id, state, status_code, request_id, answer,
        sum(octet_length(answer)) OVER (ORDER BY number) - octet_length(answer) AS before
    FROM (
        SELECT * FROM batch_lines
        WHERE batch_id = %(id)s AND number > %(after)s
        ORDER BY number
        LIMIT %(limit)s
    ) AS page
) AS r
WHERE coalesce(r.before, 0) < %(most_bytes)s
ORDER BY r.number;

-- name: end
WITH ended AS (
    UPDATE batches
    SET
        status = ends_as,
        output_file_id = %(output_file_id)s::text,
        error_file_id = %(error_file_id)s::text,
        completed_at = CASE WHEN ends_as = 'completed' THEN now() END,
        expired_at = CASE WHEN ends_as = 'expired' THEN now() END,
        cancelled_at = CASE WHEN ends_as = 'cancelled' THEN now() END,
        held_until = '-infinity'
    WHERE id = %(id)s AND holder = %(holder)s AND status IN ('finalizing', 'cancelling')
    RETURNING id
)
UPDATE files AS f
SET complete = true, size_bytes = w.size_bytes
FROM unnest(%(file_ids)s::text[], %(sizes)s::bigint[]) AS w (id, size_bytes), ended
WHERE f.id = w.id;

-- name: leave
-- Somebody else may take it at once.
UPDATE batches
SET holder = NULL, held_until = now() + make_interval(secs => %(wait_s)s)
WHERE id = %(id)s AND holder = %(holder)s;

-- name: sweep
-- What is left of lines whose results are in files, and what nobody asks for any more.
WITH old AS (
    DELETE FROM batches
    WHERE id IN (
        SELECT id FROM batches
        WHERE
            status IN ('completed', 'failed', 'expired', 'cancelled')
            AND created_at < now() - make_interval(days => %(kept_days)s)
        LIMIT %(limit)s
    )
)
DELETE FROM batch_lines AS l
USING (
    SELECT d.batch_id, d.number
    FROM batches AS b
    JOIN batch_lines AS d ON d.batch_id = b.id
    WHERE b.status IN ('completed', 'failed', 'expired', 'cancelled')
    LIMIT %(limit)s
) AS left_over
WHERE l.batch_id = left_over.batch_id AND l.number = left_over.number
RETURNING l.number;

-- name: open
SELECT id
FROM batches
WHERE status = 'in_progress' AND now() < expires_at AND completed + failed < total
ORDER BY created_at
LIMIT %(limit)s;

-- name: lock
-- Who claims lines of a batch does so alone: how many are under way is counted after this.
SELECT id FROM batches
WHERE id = %(id)s AND status = 'in_progress' AND now() < expires_at
FOR NO KEY UPDATE SKIP LOCKED;

-- name: claim
WITH chosen AS MATERIALIZED (
    SELECT number
    FROM batch_lines
    WHERE batch_id = %(id)s AND state <> 'done' AND ready_at <= now()
    ORDER BY number
    LIMIT greatest(
        0,
        least(
            %(limit)s,
            %(most_running)s - (
                SELECT count(*) FROM batch_lines
                WHERE batch_id = %(id)s AND state = 'running' AND ready_at > now()
            )
        )
    )
    FOR UPDATE SKIP LOCKED
)
UPDATE batch_lines AS l
SET
    tries = l.tries + (l.state = 'running')::integer,
    state = 'running',
    run = l.run + 1,
    ready_at = now() + make_interval(secs => %(lease_s)s)
FROM chosen AS c, batches AS b
WHERE l.batch_id = %(id)s AND l.number = c.number AND b.id = l.batch_id
RETURNING l.batch_id, l.number, l.run, l.tries, b.key_id, l.url, l.body;

-- name: renew
UPDATE batch_lines AS l
SET ready_at = now() + make_interval(secs => %(lease_s)s)
FROM unnest(%(batch_ids)s::text[], %(numbers)s::integer[], %(runs)s::integer[]) AS r (batch_id, number, run)
WHERE l.batch_id = r.batch_id AND l.number = r.number AND l.run = r.run AND l.state = 'running'
RETURNING l.batch_id, l.number, l.run;

-- name: put_back
UPDATE batch_lines
SET state = 'pending', tries = tries + %(tries)s, ready_at = now() + make_interval(secs => %(wait_s)s)
WHERE batch_id = %(batch_id)s AND number = %(number)s AND run = %(run)s AND state = 'running';

-- name: finish
-- The batch is locked first: once it is closed nothing is added to its results.
WITH held AS MATERIALIZED (
    SELECT id FROM batches
    WHERE id = %(batch_id)s AND ends_as IS NULL
    FOR NO KEY UPDATE
),
done AS (
    UPDATE batch_lines AS l
    SET
        state = 'done', body = NULL, status_code = %(status_code)s, request_id = %(request_id)s,
        answer = %(answer)s
    FROM held
    WHERE l.batch_id = held.id AND l.number = %(number)s AND l.run = %(run)s AND l.state = 'running'
    RETURNING l.batch_id
)
UPDATE batches AS b
SET
    completed = b.completed + (%(status_code)s::integer < 400)::integer,
    failed = b.failed + (%(status_code)s::integer >= 400)::integer
FROM done
WHERE b.id = done.batch_id
RETURNING b.id;
