-- name: find_key
SELECT
    k.id, k.user_id, u.name AS user_name, u.tenant_id, t.name AS tenant_name, u.roles, k.scopes, k.name,
    k.budget_pico, k.secret_hmac, k.created_at, k.expires_at, k.revoked_at
FROM api_keys AS k
JOIN users AS u ON u.id = k.user_id
JOIN tenants AS t ON t.id = u.tenant_id
WHERE k.id = %(id)s;

-- name: list_keys
SELECT
    k.id, k.user_id, u.name AS user_name, u.tenant_id, t.name AS tenant_name, u.roles, k.scopes, k.name,
    k.budget_pico, k.secret_hmac, k.created_at, k.expires_at, k.revoked_at
FROM api_keys AS k
JOIN users AS u ON u.id = k.user_id
JOIN tenants AS t ON t.id = u.tenant_id
WHERE k.id > %(after)s AND (%(user)s::text IS NULL OR u.name = %(user)s)
ORDER BY k.id
LIMIT %(limit)s;

-- name: ensure_tenant
INSERT INTO tenants (name) VALUES (%(tenant)s)
ON CONFLICT (name) DO NOTHING;

-- name: ensure_user
INSERT INTO users AS u (tenant_id, name, roles)
SELECT id, %(user)s, %(roles)s::text[] FROM tenants WHERE name = %(tenant)s
ON CONFLICT (tenant_id, name) DO UPDATE
SET roles = ARRAY(SELECT DISTINCT role FROM unnest(u.roles || excluded.roles) AS role ORDER BY role)
WHERE NOT u.roles @> excluded.roles;

-- name: add_key
INSERT INTO api_keys (id, user_id, secret_hmac, name, scopes, budget_pico, expires_at)
SELECT
    %(id)s, u.id, %(secret_hmac)s, %(name)s, %(scopes)s::text[], %(budget_pico)s::numeric, %(expires_at)s::timestamptz
FROM users AS u
JOIN tenants AS t ON t.id = u.tenant_id
WHERE t.name = %(tenant)s AND u.name = %(user)s
ON CONFLICT (id) DO NOTHING;

-- name: revoke_key
UPDATE api_keys
SET revoked_at = coalesce(revoked_at, now())
WHERE id = %(id)s
RETURNING id;
