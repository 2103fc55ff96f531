-- name: find_key
SELECT
    k.id, k.user_id, u.name AS user_name, u.tenant_id, t.name AS tenant_name, u.roles, k.scopes, k.team_id,
    m.name AS team_name, k.name, b.budget_pico, k.secret_hmac, k.created_at, k.expires_at, k.revoked_at,
    d.basis_points AS discount_basis_points
FROM api_keys AS k
JOIN users AS u ON u.id = k.user_id
JOIN tenants AS t ON t.id = u.tenant_id
LEFT JOIN teams AS m ON m.id = k.team_id
CROSS JOIN LATERAL (
    SELECT min(limit_pico) AS budget_pico FROM budgets
    WHERE tenant_id = u.tenant_id AND scope = 'key' AND owner = k.id AND period = 'total' AND ended_at IS NULL
) AS b
CROSS JOIN LATERAL (
    SELECT coalesce(max(basis_points), 0) AS basis_points FROM volume_discounts
    WHERE
        tenant_id = u.tenant_id AND (user_id = u.id OR user_id IS NULL)
        AND month = date_trunc('month', now(), 'UTC')
) AS d
WHERE k.id = %(id)s;

-- name: list_keys
SELECT
    k.id, k.user_id, u.name AS user_name, u.tenant_id, t.name AS tenant_name, u.roles, k.scopes, k.team_id,
    m.name AS team_name, k.name, b.budget_pico, k.secret_hmac, k.created_at, k.expires_at, k.revoked_at
FROM api_keys AS k
JOIN users AS u ON u.id = k.user_id
JOIN tenants AS t ON t.id = u.tenant_id
LEFT JOIN teams AS m ON m.id = k.team_id
CROSS JOIN LATERAL (
    SELECT min(limit_pico) AS budget_pico FROM budgets
    WHERE tenant_id = u.tenant_id AND scope = 'key' AND owner = k.id AND period = 'total' AND ended_at IS NULL
) AS b
WHERE
    k.id > %(after)s
    AND (%(tenant_id)s::uuid IS NULL OR u.tenant_id = %(tenant_id)s::uuid)
    AND (%(user_id)s::uuid IS NULL OR k.user_id = %(user_id)s::uuid)
    AND (%(user)s::text IS NULL OR u.name = %(user)s)
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

-- name: ensure_team
INSERT INTO teams (tenant_id, name)
SELECT id, %(team)s FROM tenants WHERE name = %(tenant)s AND %(team)s::text IS NOT NULL
ON CONFLICT (tenant_id, name) DO NOTHING;

-- name: add_key
WITH added AS (
    INSERT INTO api_keys (id, user_id, team_id, secret_hmac, name, scopes, expires_at)
    SELECT
        %(id)s, u.id, m.id, %(secret_hmac)s, %(name)s, %(scopes)s::text[], %(expires_at)s::timestamptz
    FROM users AS u
    JOIN tenants AS t ON t.id = u.tenant_id
    LEFT JOIN teams AS m ON m.tenant_id = t.id AND m.name = %(team)s
    WHERE t.name = %(tenant)s AND u.name = %(user)s
    ON CONFLICT (id) DO NOTHING
    RETURNING id, user_id
)
-- Nobody can have spent anything with a key that does not exist yet: no account has to be opened for it.
INSERT INTO budgets (tenant_id, scope, owner, period, limit_pico)
SELECT u.tenant_id, 'key', a.id, 'total', %(budget_pico)s::numeric
FROM added AS a
JOIN users AS u ON u.id = a.user_id
WHERE %(budget_pico)s::numeric IS NOT NULL;

-- name: revoke_key
UPDATE api_keys
SET revoked_at = coalesce(revoked_at, now())
WHERE id = %(id)s
RETURNING id;

-- name: user_id
SELECT id FROM users
WHERE tenant_id = %(tenant_id)s::uuid AND (id::text = %(who)s OR name = %(who)s)
ORDER BY id::text <> %(who)s
LIMIT 1;

-- name: team_id
SELECT id FROM teams
WHERE tenant_id = %(tenant_id)s::uuid AND (id::text = %(which)s OR name = %(which)s)
ORDER BY id::text <> %(which)s
LIMIT 1;

-- name: add_team
INSERT INTO teams (tenant_id, name) VALUES (%(tenant_id)s::uuid, %(name)s)
ON CONFLICT (tenant_id, name) DO NOTHING
RETURNING id, name, created_at;

-- name: find_team
SELECT id, name, created_at FROM teams WHERE tenant_id = %(tenant_id)s::uuid AND name = %(name)s;

-- name: list_teams
SELECT id, name, created_at FROM teams
WHERE tenant_id = %(tenant_id)s::uuid AND name COLLATE "C" > %(after)s
ORDER BY name COLLATE "C"
LIMIT %(limit)s;
