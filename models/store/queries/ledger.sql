-- name: apply
SELECT json_build_object('op_key', asked, 'granted_pico', granted_pico, 'in_flight', in_flight, 'blocked', blocked)::text
FROM ledger_apply(%(records)s::json, %(asks)s::json, %(lease_s)s * interval '1 second');

-- name: renew
UPDATE holds AS h
SET lease_until = clock_timestamp() + %(lease_s)s * interval '1 second', record = r.record
FROM (
    SELECT (value ->> 'tenant_id')::uuid AS tenant_id, op_key(value ->> 'request_id', (value ->> 'attempt')::integer) AS op_key, value AS record
    FROM json_array_elements(%(records)s::json)
) AS r
WHERE h.tenant_id = r.tenant_id AND h.op_key = r.op_key;

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
