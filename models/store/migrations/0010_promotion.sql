-- Classifiers on their way to serve: what was ordered, what replicas saw of it, and what became of it.

-- One row per order: a candidate at a stage, beside what it is to replace. Only the last one counts.
CREATE TABLE router_promotions (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- SHA-256 of the manifests.
    serving text NOT NULL,
    candidate text NOT NULL,
    serving_folder text,
    candidate_folder text NOT NULL,
    candidate_version text NOT NULL,
    stage text NOT NULL CHECK (stage IN ('shadow', 'canary', 'full')),
    share real NOT NULL CHECK (share >= 0 AND share <= 1),
    ordered_by text NOT NULL,
    since timestamptz NOT NULL DEFAULT now(),
    -- What the guards said last, with their figures.
    verdict jsonb,
    judged_at timestamptz,
    rolled_back_at timestamptz,
    rolled_back_by text,
    rolled_back_why text,
    CHECK (serving <> candidate),
    CHECK ((rolled_back_at IS NULL) = (rolled_back_by IS NULL))
);

-- How each replica has taken an order, and the sums of what it saw since.
CREATE TABLE router_trials (
    promotion_id bigint NOT NULL REFERENCES router_promotions (id) ON DELETE CASCADE,
    replica text NOT NULL,
    serving text NOT NULL,
    candidate text NOT NULL,
    stands boolean NOT NULL,
    refused text NOT NULL,
    evidence jsonb NOT NULL,
    seen_at timestamptz NOT NULL,
    PRIMARY KEY (promotion_id, replica)
);

-- The digest of the classifier that a decision was made with.
ALTER TABLE routing_decisions
ADD COLUMN artefact text GENERATED ALWAYS AS (nullif(plan ->> 'artefact', '')) STORED;

CREATE INDEX routing_decisions_artefact ON routing_decisions (artefact, created_at) WHERE artefact IS NOT NULL;
