-- What providers say that they billed, and how it compares with the ledger.

-- One bucket of time of one model. What is learnt later is a new version; a row never changes. Tokens are input,
-- cache read, cache write of five minutes, of one hour, output.
CREATE TABLE reconciliations (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    provider text NOT NULL CHECK (provider <> ''),
    -- The catalogue's id; the provider's name where the catalogue has none, '' where the provider names none.
    model_id text NOT NULL,
    bucket_start timestamptz NOT NULL,
    bucket_end timestamptz NOT NULL CHECK (bucket_end > bucket_start),
    version integer NOT NULL CHECK (version > 0),
    status text NOT NULL CHECK (status IN ('matched', 'adjusted', 'drift', 'waiting')),
    -- Why it waits.
    reason text NOT NULL DEFAULT '',
    -- List prices: what customers are charged and what discounts took off.
    ledger_pico numeric(38, 0) NOT NULL CHECK (ledger_pico >= 0),
    -- The part of it that is an estimate.
    estimated_pico numeric(38, 0) NOT NULL CHECK (estimated_pico >= 0),
    provider_pico numeric(38, 0),
    ledger_tokens bigint[] NOT NULL CHECK (cardinality(ledger_tokens) = 5),
    provider_tokens bigint[] CHECK (cardinality(provider_tokens) = 5),
    -- What the provider billed beyond the ledger, apart from calls under way at the bucket's ends.
    drift_pico numeric(38, 0) NOT NULL DEFAULT 0,
    -- What this version moved, so that all versions together have moved the drift.
    adjustment_pico numeric(38, 0) NOT NULL DEFAULT 0,
    -- What the ledger has dated before the bucket's end and the provider after it, at least and at most.
    carried_low_pico numeric(38, 0),
    carried_high_pico numeric(38, 0),
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (provider, model_id, bucket_start, bucket_end, version),
    CHECK ((status = 'waiting') = (provider_pico IS NULL)),
    CHECK (status IN ('adjusted', 'drift') OR drift_pico = 0)
);

CREATE INDEX reconciliations_newest ON reconciliations (provider, bucket_start);

CREATE FUNCTION refuse_change() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'rows of % are never changed', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END;
$$;

CREATE TRIGGER reconciliations_stay BEFORE UPDATE OR DELETE ON reconciliations
FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- Who reconciles now. A lease, because a run asks providers over the network and holds no connection meanwhile.
CREATE TABLE reconciliation_lease (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    holder uuid NOT NULL,
    until timestamptz NOT NULL
);

-- Calls come in the order of their time, nearly, so a few bytes for every 128 pages find those of an hour.
CREATE INDEX model_usage_created ON model_usage USING brin (created_at) WITH (autosummarize = on);
