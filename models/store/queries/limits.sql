-- name: version
SELECT version FROM rate_limits_version;

-- name: every
SELECT id::text, tenant_id::text, scope, owner, model, provider, measure, amount, burst FROM rate_limits ORDER BY id;

-- name: page
SELECT id::text, tenant_id::text, scope, owner, model, provider, measure, amount, burst
FROM rate_limits
WHERE tenant_id IS NOT DISTINCT FROM %(tenant_id)s::uuid AND (%(after)s::uuid IS NULL OR id > %(after)s::uuid)
ORDER BY id
LIMIT %(limit)s;

-- name: put
WITH changed AS (UPDATE rate_limits_version SET version = version + 1)
INSERT INTO rate_limits (id, tenant_id, scope, owner, model, provider, measure, amount, burst)
VALUES (
    %(id)s::uuid, %(tenant_id)s::uuid, %(scope)s, %(owner)s, %(model)s, %(provider)s, %(measure)s, %(amount)s, %(burst)s
)
ON CONFLICT (tenant_id, scope, owner, model, provider, measure) DO UPDATE SET
    amount = excluded.amount, burst = excluded.burst, updated_at = now()
RETURNING id::text, tenant_id::text, scope, owner, model, provider, measure, amount, burst;

-- name: remove
WITH
changed AS (UPDATE rate_limits_version SET version = version + 1),
removed AS (
    DELETE FROM rate_limits WHERE id = %(id)s::uuid AND tenant_id IS NOT DISTINCT FROM %(tenant_id)s::uuid RETURNING id
)
SELECT count(*) FROM removed;

-- name: operates
SELECT true FROM tenants WHERE id = %(tenant_id)s::uuid AND name = %(ops_tenant)s;
