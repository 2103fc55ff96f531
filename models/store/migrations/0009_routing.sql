-- Routing: what was decided, how it was taken, what was learned from it, and how models do.

-- One row per request that the router was asked for.
CREATE TABLE routing_decisions (
    tenant_id uuid NOT NULL,
    request_id text NOT NULL,
    user_id uuid,
    key_id text,
    conversation_id text,
    mode text NOT NULL,
    task text,
    task_confidence real NOT NULL,
    difficulty real NOT NULL,
    model_id text NOT NULL,
    -- How probable it was that this model came first.
    propensity real NOT NULL CHECK (propensity >= 0 AND propensity <= 1),
    explored boolean NOT NULL,
    -- The whole decision: candidates with their figures and reasons, and what was dropped and why.
    plan jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, request_id)
);

CREATE INDEX routing_decisions_created ON routing_decisions (created_at);

-- How answers were taken: what users said of them (`explicit`) and what they did after them (`implicit`).
CREATE TABLE feedback (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    tenant_id uuid NOT NULL REFERENCES tenants (id),
    user_id uuid NOT NULL REFERENCES users (id),
    request_id text NOT NULL,
    signal text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('explicit', 'implicit')),
    -- 1 or -1 of thumbs and comparisons, 1 to 5 of a rating.
    value real,
    comment text,
    compared_model_id text,
    model_id text NOT NULL,
    -- Null where nobody knows what was asked: there is nothing to be learned then.
    task text,
    reward real NOT NULL CHECK (reward >= 0 AND reward <= 1),
    -- What the router had believed of the model.
    expected real,
    created_at timestamptz NOT NULL,
    learned_at timestamptz,
    UNIQUE (tenant_id, user_id, request_id, signal)
);

CREATE INDEX feedback_unlearned ON feedback (created_at) WHERE learned_at IS NULL AND task IS NOT NULL;
CREATE INDEX feedback_users ON feedback (user_id);

-- What was learned by all: one row for each scope, changed under its lock.
CREATE TABLE routing_learner (
    scope text PRIMARY KEY,
    version bigint NOT NULL,
    state json NOT NULL,
    updated_at timestamptz NOT NULL
);

CREATE TABLE user_model_preferences (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id uuid NOT NULL REFERENCES users (id),
    model_id text NOT NULL,
    task_type text NOT NULL,
    -- From -1 to 1: `gain` shrunk by the little that is known.
    preference_score numeric(3, 2) NOT NULL,
    -- Sums that fade with time, as of `updated_at`.
    weight double precision NOT NULL,
    gain double precision NOT NULL,
    updated_at timestamptz NOT NULL,
    UNIQUE (user_id, model_id, task_type)
);

-- How each model did, a row a minute and model.
CREATE TABLE model_performance (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    model_id text NOT NULL,
    avg_response_time_ms integer NOT NULL,
    availability_percentage numeric(5, 2) NOT NULL,
    error_rate numeric(5, 4) NOT NULL,
    user_satisfaction_score numeric(3, 2),
    first_token_ms real NOT NULL,
    first_token_p95_ms real NOT NULL,
    tokens_per_s real NOT NULL,
    calls real NOT NULL,
    measured_at timestamptz NOT NULL,
    UNIQUE (model_id, measured_at)
);

CREATE INDEX model_performance_measured ON model_performance (measured_at);

-- What a tenant, or one of its keys, asks of the router: weights, constraints, whether it may explore.
CREATE TABLE routing_policies (
    tenant_id uuid NOT NULL REFERENCES tenants (id),
    key_id text,
    policy jsonb NOT NULL,
    updated_at timestamptz NOT NULL,
    UNIQUE NULLS NOT DISTINCT (tenant_id, key_id)
);
