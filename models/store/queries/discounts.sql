-- name: refresh
INSERT INTO volume_discounts AS d (tenant_id, user_id, month, volume_pico, basis_points)
SELECT
    o.tenant_id, o.user_id, date_trunc('month', now(), 'UTC'), v.volume_pico,
    coalesce((
        SELECT max(t.basis_points) FROM volume_tiers AS t
        WHERE t.tenant_id = o.tenant_id AND t.user_id IS NOT DISTINCT FROM o.user_id AND t.from_pico <= v.volume_pico
    ), 0)
FROM (SELECT DISTINCT tenant_id, user_id FROM volume_tiers) AS o
CROSS JOIN LATERAL (
    SELECT coalesce(sum(u.cost_pico + u.discount_pico), 0) AS volume_pico
    FROM model_usage AS u
    WHERE
        u.tenant_id = o.tenant_id
        AND (o.user_id IS NULL OR u.user_id = o.user_id)
        AND u.created_at >= date_trunc('month', now(), 'UTC')
) AS v
ORDER BY o.tenant_id, o.user_id
ON CONFLICT (tenant_id, user_id) DO UPDATE SET
    month = excluded.month, volume_pico = excluded.volume_pico, basis_points = excluded.basis_points
WHERE (d.month, d.volume_pico, d.basis_points) IS DISTINCT FROM (excluded.month, excluded.volume_pico, excluded.basis_points);

-- name: drop_stale
DELETE FROM volume_discounts AS d
WHERE NOT EXISTS (
    SELECT FROM volume_tiers AS t WHERE t.tenant_id = d.tenant_id AND t.user_id IS NOT DISTINCT FROM d.user_id
);

-- name: clear_tiers
DELETE FROM volume_tiers
WHERE tenant_id = %(tenant_id)s AND user_id IS NOT DISTINCT FROM %(user_id)s::uuid;

-- name: add_tiers
INSERT INTO volume_tiers (tenant_id, user_id, from_pico, basis_points)
SELECT %(tenant_id)s::uuid, %(user_id)s::uuid, t.from_pico, t.basis_points
FROM unnest(%(from_pico)s::numeric[], %(basis_points)s::integer[]) AS t (from_pico, basis_points);

-- name: tiers
SELECT t.user_id::text, u.name, t.from_pico, t.basis_points, coalesce(d.volume_pico, 0), coalesce(d.basis_points, 0)
FROM volume_tiers AS t
LEFT JOIN users AS u ON u.id = t.user_id
LEFT JOIN volume_discounts AS d ON d.tenant_id = t.tenant_id AND d.user_id IS NOT DISTINCT FROM t.user_id
WHERE t.tenant_id = %(tenant_id)s
ORDER BY u.name NULLS FIRST, t.from_pico;

-- name: find_user
SELECT id::text FROM users WHERE tenant_id = %(tenant_id)s AND (name = %(user)s OR id::text = %(user)s);
