-- Money: who may spend how much, and what became of every pico-dollar. Amounts are whole pico-USD.

CREATE TABLE teams (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    tenant_id uuid NOT NULL REFERENCES tenants (id),
    name text NOT NULL CHECK (name <> ''),
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (tenant_id, name)
);

ALTER TABLE api_keys ADD COLUMN team_id uuid REFERENCES teams (id);

-- A limit on what one owner may spend in each window of a period. `owner` is the id of what `scope` names. A soft
-- budget stops nobody and only raises alerts.
CREATE TABLE budgets (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    tenant_id uuid NOT NULL REFERENCES tenants (id),
    scope text NOT NULL CHECK (scope IN ('tenant', 'team', 'user', 'key', 'conversation')),
    owner text NOT NULL CHECK (owner <> ''),
    period text NOT NULL CHECK (period IN ('day', 'week', 'month', 'rolling', 'total')),
    rolling_hours integer CHECK (rolling_hours BETWEEN 1 AND 8784),
    limit_pico numeric(38, 0) NOT NULL CHECK (limit_pico >= 0),
    hard boolean NOT NULL DEFAULT true,
    name text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz,
    CHECK ((period = 'rolling') = (rolling_hours IS NOT NULL))
);

CREATE INDEX budgets_owner ON budgets (tenant_id, scope, owner) WHERE ended_at IS NULL;

-- One window of one budget: what it has spent (`posted`) and what is held for calls under way (`pending`). The CHECK
-- makes overspending impossible whatever a program does. A window is named by its start, so nothing is ever reset.
CREATE TABLE accounts (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    budget_id uuid NOT NULL REFERENCES budgets (id),
    window_start timestamptz NOT NULL,
    limit_pico numeric(38, 0),
    -- Spent in this window before the budget was made.
    opening_pico numeric(38, 0) NOT NULL DEFAULT 0,
    posted_pico numeric(38, 0) NOT NULL DEFAULT 0,
    pending_pico numeric(38, 0) NOT NULL DEFAULT 0,
    UNIQUE (budget_id, window_start),
    -- A CHECK costs some microseconds with each statement that writes, whatever it checks: here and below few do much.
    CONSTRAINT amounts CHECK (least(opening_pico, posted_pico, pending_pico) >= 0),
    CONSTRAINT no_overspend CHECK (limit_pico IS NULL OR posted_pico + pending_pico <= limit_pico)
) WITH (fillfactor = 50);

-- The journal: every movement, never changed. `account_ids` are the accounts that it counts against, `posted_pico`
-- is what it added to the spending of each of them.
CREATE TABLE transfers (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id uuid NOT NULL,
    op_key text NOT NULL,
    -- reserve, settle, release, expire or adjust
    kind text NOT NULL,
    -- The reservation that this one is about.
    pending_id bigint,
    amount_pico numeric(38, 0) NOT NULL,
    posted_pico numeric(38, 0) NOT NULL DEFAULT 0,
    account_ids bigint[] NOT NULL DEFAULT '{}',
    price_snapshot text NOT NULL DEFAULT '',
    estimated boolean NOT NULL DEFAULT false,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT form CHECK (
        amount_pico >= 0
        AND CASE kind
            WHEN 'reserve' THEN pending_id IS NULL
            WHEN 'adjust' THEN true
            ELSE kind IN ('settle', 'release', 'expire') AND pending_id IS NOT NULL
        END
    ),
    UNIQUE (tenant_id, op_key)
);

-- A reservation is settled, released or expired once.
CREATE UNIQUE INDEX transfers_one_resolution ON transfers (pending_id) WHERE kind IN ('settle', 'release', 'expire');

-- What each posted movement is made of: `key:…` pays, `provider:…` is owed, `overrun:…` is what a call cost beyond
-- what was held for it, `discount` is what the customer is not charged. Debits equal credits in each transfer.
CREATE TABLE entries (
    transfer_id bigint NOT NULL,
    account text NOT NULL,
    debit_pico numeric(38, 0) NOT NULL,
    credit_pico numeric(38, 0) NOT NULL,
    PRIMARY KEY (transfer_id, account),
    CONSTRAINT one_side CHECK (least(debit_pico, credit_pico) = 0)
);

-- Reservations that are open. A holder extends its lease; one that has let it lapse may have called its provider,
-- so it is charged, and counted against budgets, as `record`, a usage record with an estimate, says.
CREATE TABLE holds (
    tenant_id uuid NOT NULL,
    op_key text NOT NULL,
    transfer_id bigint NOT NULL,
    amount_pico numeric(38, 0) NOT NULL,
    account_ids bigint[] NOT NULL,
    lease_until timestamptz NOT NULL,
    record json NOT NULL,
    PRIMARY KEY (tenant_id, op_key)
) WITH (fillfactor = 70);

ALTER TABLE model_usage
ADD COLUMN team_id uuid,
ADD COLUMN task text,
ADD COLUMN requested_model text NOT NULL DEFAULT '',
ADD COLUMN discount_pico numeric(38, 0) NOT NULL DEFAULT 0,
-- What it counts against budgets where that is more than it is charged: nobody knows how much it has used.
ADD COLUMN counted_pico numeric(38, 0),
-- What caches saved against the same call without them.
ADD COLUMN saved_pico numeric(38, 0) NOT NULL DEFAULT 0,
-- What the counts above sum up or leave out: tokens of sound and pictures, uses of the provider's own tools.
ADD COLUMN usage_details jsonb,
-- A keyed digest of the request's body: equal requests have equal ones.
ADD COLUMN request_digest bytea,
DROP CONSTRAINT model_usage_status_check,
DROP CONSTRAINT model_usage_attempt_check,
DROP CONSTRAINT model_usage_input_tokens_check,
DROP CONSTRAINT model_usage_cache_read_tokens_check,
DROP CONSTRAINT model_usage_cache_write_5m_tokens_check,
DROP CONSTRAINT model_usage_cache_write_1h_tokens_check,
DROP CONSTRAINT model_usage_output_tokens_check,
DROP CONSTRAINT model_usage_reasoning_tokens_check,
DROP CONSTRAINT model_usage_cost_pico_check,
ADD CONSTRAINT counts CHECK (
    least(
        attempt, input_tokens, cache_read_tokens, cache_write_5m_tokens, cache_write_1h_tokens, output_tokens,
        reasoning_tokens, cost_pico, discount_pico
    ) >= 0
    AND status IN ('completed', 'failed', 'cancelled', 'expired')
);

CREATE INDEX model_usage_team_created ON model_usage (team_id, created_at) WHERE team_id IS NOT NULL;
CREATE INDEX model_usage_conversation_created ON model_usage (conversation_id, created_at)
WHERE conversation_id IS NOT NULL;

-- A key's budget becomes a budget as any other.
INSERT INTO budgets (tenant_id, scope, owner, period, limit_pico)
SELECT u.tenant_id, 'key', k.id, 'total', k.budget_pico
FROM api_keys AS k
JOIN users AS u ON u.id = k.user_id
WHERE k.budget_pico IS NOT NULL;

ALTER TABLE api_keys DROP COLUMN budget_pico;

-- The start of the window that `at` lies in. A rolling period is made of 24 buckets, so that it moves in steps.
CREATE FUNCTION window_start(period text, rolling_hours integer, at timestamptz) RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE period
    WHEN 'total' THEN 'epoch'::timestamptz
    WHEN 'rolling' THEN date_bin(rolling_hours * interval '150 seconds', at, 'epoch'::timestamptz)
    ELSE date_trunc(period, at, 'UTC')
END;

-- The start of the oldest window that still counts at `at`.
CREATE FUNCTION counts_from(period text, rolling_hours integer, at timestamptz) RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE period
    WHEN 'rolling' THEN window_start(period, rolling_hours, at) - rolling_hours * interval '1 hour'
    ELSE window_start(period, rolling_hours, at)
END;

-- The budgets that a call counts against: one look into the index for each scope.
CREATE FUNCTION budgets_of(tenant uuid, team text, user_ text, key_ text, conversation text) RETURNS SETOF budgets
LANGUAGE sql STABLE ROWS 2
BEGIN ATOMIC
    SELECT * FROM budgets
    WHERE tenant_id = tenant AND scope = 'tenant' AND owner = tenant::text AND ended_at IS NULL
    UNION ALL
    SELECT * FROM budgets WHERE tenant_id = tenant AND scope = 'team' AND owner = team AND ended_at IS NULL
    UNION ALL
    SELECT * FROM budgets WHERE tenant_id = tenant AND scope = 'user' AND owner = user_ AND ended_at IS NULL
    UNION ALL
    SELECT * FROM budgets WHERE tenant_id = tenant AND scope = 'key' AND owner = key_ AND ended_at IS NULL
    UNION ALL
    SELECT * FROM budgets
    WHERE tenant_id = tenant AND scope = 'conversation' AND owner = conversation AND ended_at IS NULL;
END;
