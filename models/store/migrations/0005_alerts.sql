-- Alerts on budgets, their delivery, and the event log.

CREATE TYPE severity AS ENUM ('info', 'warning', 'critical');

-- What happened that somebody may want to know of. Without a tenant it is about the whole installation.
CREATE TABLE events (
    id uuid PRIMARY KEY,
    tenant_id uuid,
    kind text NOT NULL CHECK (kind <> ''),
    severity severity NOT NULL,
    -- What it is about: ids by what they name.
    subject jsonb NOT NULL,
    payload jsonb NOT NULL,
    -- Names an occurrence that several processes may tell of, or one of them twice: it is logged once.
    once text,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (kind, once)
);

CREATE INDEX events_newest ON events (tenant_id, at DESC, id DESC);

-- Where a tenant wants to hear of its events: of those about one budget only, if it says so.
CREATE TABLE alert_channels (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenants (id),
    kind text NOT NULL CHECK (kind IN ('webhook', 'email')),
    target text NOT NULL CHECK (target <> ''),
    min_severity severity NOT NULL,
    budget_id uuid REFERENCES budgets (id),
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX alert_channels_tenant ON alert_channels (tenant_id, id);

-- The outbox: an event for a channel, written in the transaction that logs the event. Channels of the settings are
-- in no table, so a delivery knows its target itself. Whoever claims it moves `next_at`; if he dies, it is due again.
CREATE TABLE deliveries (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id uuid NOT NULL REFERENCES events (id),
    channel_id uuid NOT NULL,
    kind text NOT NULL CHECK (kind IN ('webhook', 'email')),
    target text NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    next_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    delivered_at timestamptz,
    given_up_at timestamptz,
    last_error text,
    UNIQUE (event_id, channel_id),
    CHECK (delivered_at IS NULL OR given_up_at IS NULL)
);

CREATE INDEX deliveries_open ON deliveries (channel_id, next_at)
WHERE delivered_at IS NULL AND given_up_at IS NULL;
CREATE INDEX deliveries_ended ON deliveries (coalesce(delivered_at, given_up_at))
WHERE delivered_at IS NOT NULL OR given_up_at IS NOT NULL;

-- What has been told of a window of a budget with one limit: each kind once. The window of a rolling budget is one
-- that never ends (its start is -infinity): of it a kind is forgotten when usage has fallen well below the threshold.
CREATE TABLE alerts (
    budget_id uuid NOT NULL REFERENCES budgets (id),
    window_start timestamptz NOT NULL,
    limit_pico numeric(38, 0) NOT NULL,
    kind text NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (budget_id, window_start, limit_pico, kind)
);

CREATE INDEX budgets_live ON budgets (id) WHERE ended_at IS NULL;

-- Logs an event and puts it into the outbox for every channel that wants it, `ops` (a JSON array) being those of the
-- settings. False if it has been logged before. A channel that is far behind gets no more until it has caught up.
CREATE FUNCTION log_event(
    event uuid, kind_ text, severity_ severity, tenant uuid, subject_ jsonb, payload_ jsonb, once_ text, ops json
) RETURNS boolean
LANGUAGE sql
BEGIN ATOMIC
    WITH logged AS (
        INSERT INTO events (id, kind, severity, tenant_id, subject, payload, once)
        VALUES (event, kind_, severity_, tenant, subject_, payload_, once_)
        ON CONFLICT DO NOTHING
        RETURNING id
    ),
    wanted AS (
        SELECT c.id, c.kind, c.target
        FROM alert_channels AS c
        WHERE
            c.tenant_id = tenant AND severity_ >= c.min_severity
            AND (c.budget_id IS NULL OR c.budget_id::text = subject_ ->> 'budget_id')
        UNION ALL
        SELECT o.id, o.kind, o.target
        FROM json_to_recordset(ops) AS o (id uuid, kind text, target text, min_severity severity)
        WHERE severity_ >= o.min_severity
    ),
    sent AS (
        INSERT INTO deliveries (event_id, channel_id, kind, target)
        SELECT logged.id, w.id, w.kind, w.target
        FROM logged
        CROSS JOIN wanted AS w
        WHERE (
            SELECT count(*) FROM (
                SELECT FROM deliveries AS d
                WHERE d.channel_id = w.id AND d.delivered_at IS NULL AND d.given_up_at IS NULL
                LIMIT 1000
            ) AS waiting
        ) < 1000
    )
    SELECT EXISTS (SELECT FROM logged);
END;
