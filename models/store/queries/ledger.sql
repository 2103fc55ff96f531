-- name: apply
SELECT json_build_object('op_key', asked, 'granted_pico', granted_pico, 'in_flight', in_flight, 'blocked', blocked)::text
FROM ledger_apply(%(records)s::json, %(asks)s::json, %(lease_s)s * interval '1 second');

-- name: renew
SELECT ledger_renew(%(records)s::json, %(lease_s)s * interval '1 second');

-- name: expired
SELECT record::text
FROM holds
WHERE lease_until < clock_timestamp()
LIMIT %(limit)s;

-- name: ping
SELECT 1;

-- name: usage_of_request
SELECT row_to_json(u)::text
FROM model_usage AS u
WHERE request_id = %(request_id)s
ORDER BY attempt;
