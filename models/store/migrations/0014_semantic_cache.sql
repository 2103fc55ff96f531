-- Answers to questions, to be given to questions of the same user that mean the same.
CREATE TABLE semantic_cache (
    tenant_id uuid NOT NULL,
    user_id uuid NOT NULL,
    -- Keyed digests: of all that the question was asked with, and of the question with it.
    scope bytea NOT NULL CHECK (octet_length(scope) = 32),
    name bytea NOT NULL CHECK (octet_length(name) = 32),
    model_id text NOT NULL,
    -- Vectors of different encoders are not comparable.
    encoder text NOT NULL,
    embedding halfvec(384) NOT NULL,
    -- Question and answer, sealed.
    answer bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, user_id, name)
)
-- Whoever builds the index anew does so in one process: parallel builds have written beyond their memory.
WITH (parallel_workers = 0);

ALTER TABLE semantic_cache ALTER COLUMN answer SET STORAGE EXTERNAL;

CREATE INDEX semantic_cache_near ON semantic_cache USING hnsw (embedding halfvec_cosine_ops);
CREATE INDEX semantic_cache_scope ON semantic_cache (tenant_id, user_id, scope);
CREATE INDEX semantic_cache_expiry ON semantic_cache (expires_at);
