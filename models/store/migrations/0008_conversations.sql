-- Conversations: trees of messages that only grow. Searches by word and by meaning are confined to a tenant or a user,
-- so both are columns of everything that is searched.
CREATE EXTENSION IF NOT EXISTS btree_gin;

CREATE TABLE conversations (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenants (id),
    user_id uuid NOT NULL REFERENCES users (id),
    title text NOT NULL,
    -- Counts the changes that a client may see.
    version bigint NOT NULL,
    -- The branch that is shown and that is written to unless another is named.
    head integer NOT NULL,
    branches integer NOT NULL CHECK (branches > 0),
    messages integer NOT NULL CHECK (messages >= 0),
    bytes bigint NOT NULL CHECK (bytes >= 0),
    model_history jsonb NOT NULL,
    context_metadata jsonb NOT NULL DEFAULT '{}',
    cost_tracking jsonb NOT NULL,
    -- Some of its messages are neither in the outbox, which was full, nor embedded.
    embedding_behind boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    expires_at timestamptz,
    deleted_at timestamptz
);

CREATE INDEX conversations_of_user ON conversations (tenant_id, user_id, updated_at DESC, id DESC)
WHERE deleted_at IS NULL;
CREATE INDEX conversations_of_tenant ON conversations (tenant_id, updated_at DESC, id DESC) WHERE deleted_at IS NULL;
CREATE INDEX conversations_users ON conversations (user_id);
CREATE INDEX conversations_model_history ON conversations USING gin (model_history jsonb_path_ops)
WITH (fastupdate = off);
CREATE INDEX conversations_expiring ON conversations (expires_at) WHERE expires_at IS NOT NULL AND deleted_at IS NULL;
CREATE INDEX conversations_deleted ON conversations (deleted_at) WHERE deleted_at IS NOT NULL;
CREATE INDEX conversations_behind ON conversations (updated_at) WHERE embedding_behind;

CREATE TABLE conversation_policies (
    tenant_id uuid PRIMARY KEY REFERENCES tenants (id),
    -- Conversations that have not changed for so long are deleted; null: never.
    retention_days integer CHECK (retention_days > 0),
    -- How long a deleted one can still be brought back by hand before it is gone.
    grace_days integer NOT NULL CHECK (grace_days >= 0),
    updated_at timestamptz NOT NULL
);

-- The path of a branch is that of its parent up to `fork_seq`, and then its own messages.
CREATE TABLE conversation_branches (
    conversation_id uuid NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
    branch integer NOT NULL CHECK (branch > 0),
    -- The branch that the message at `fork_seq` is of; null if there is none before its own.
    parent integer CHECK (parent < branch),
    fork_seq integer NOT NULL CHECK (fork_seq >= 0 AND (fork_seq > 0) = (parent IS NOT NULL)),
    version bigint NOT NULL,
    idempotency_key text,
    digest bytea CHECK ((digest IS NULL) = (idempotency_key IS NULL)),
    created_at timestamptz NOT NULL,
    PRIMARY KEY (conversation_id, branch)
);

CREATE UNIQUE INDEX conversation_branches_key ON conversation_branches (conversation_id, idempotency_key)
WHERE idempotency_key IS NOT NULL;

-- Of which branches the path of a branch is made, between two places of it: which messages of each.
CREATE FUNCTION branch_segments(of_conversation uuid, of_branch integer, after integer, before integer)
RETURNS TABLE (branch integer, first_seq integer, last_seq integer)
LANGUAGE sql STABLE ROWS 2
AS $$
    WITH RECURSIVE chain AS (
        SELECT b.branch, b.parent, b.fork_seq, coalesce(before - 1, 2147483647) AS last_seq
        FROM conversation_branches AS b
        WHERE b.conversation_id = of_conversation AND b.branch = of_branch
        UNION ALL
        SELECT b.branch, b.parent, b.fork_seq, least(c.fork_seq, c.last_seq)
        FROM chain AS c
        JOIN conversation_branches AS b ON b.conversation_id = of_conversation AND b.branch = c.parent
        WHERE c.fork_seq > after
    )
    SELECT c.branch, greatest(c.fork_seq, after) + 1, c.last_seq FROM chain AS c
$$;

CREATE TABLE messages (
    id uuid PRIMARY KEY,
    conversation_id uuid NOT NULL,
    branch integer NOT NULL,
    -- Counts the messages of the path from 1.
    seq integer NOT NULL CHECK (seq > 0),
    parent_id uuid,
    -- The version of the conversation that it came with.
    version bigint NOT NULL,
    tenant_id uuid NOT NULL,
    user_id uuid NOT NULL,
    role text NOT NULL CHECK (role IN ('system', 'developer', 'user', 'assistant', 'tool')),
    -- The canonical message as it was written, to the byte: jsonb would not hold every character.
    content json NOT NULL,
    -- Which model an answer is of, and what it took.
    producer json,
    tokens integer NOT NULL CHECK (tokens >= 0),
    bytes integer NOT NULL CHECK (bytes >= 0),
    -- What can be searched for; of a long message the beginning.
    text text NOT NULL,
    words tsvector NOT NULL GENERATED ALWAYS AS (to_tsvector('english', text)) STORED,
    -- On the first message of what was appended at once.
    idempotency_key text,
    digest bytea CHECK ((digest IS NULL) = (idempotency_key IS NULL)),
    created_at timestamptz NOT NULL,
    UNIQUE (conversation_id, branch, seq),
    FOREIGN KEY (conversation_id, branch) REFERENCES conversation_branches (conversation_id, branch) ON DELETE CASCADE
);

-- A history is read row after row: what it is made of stays in the row, what is only searched moves out first.
ALTER TABLE messages ALTER COLUMN content SET STORAGE MAIN;

CREATE UNIQUE INDEX messages_key ON messages (conversation_id, idempotency_key) WHERE idempotency_key IS NOT NULL;
-- Without a list of pending entries, which one append in many would have to work off.
CREATE INDEX messages_words ON messages USING gin (tenant_id, user_id, words) WITH (fastupdate = off);

CREATE TABLE message_embeddings (
    message_id uuid NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
    -- A long message has a vector for each stretch.
    piece smallint NOT NULL CHECK (piece >= 0),
    conversation_id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    user_id uuid NOT NULL,
    -- Vectors of different encoders are not comparable.
    encoder text NOT NULL,
    embedding halfvec(384) NOT NULL,
    PRIMARY KEY (message_id, piece)
)
-- Whoever builds the index anew does so in one process: parallel builds have written beyond their memory.
WITH (parallel_workers = 0);

CREATE INDEX message_embeddings_near ON message_embeddings USING hnsw (embedding halfvec_cosine_ops);
CREATE INDEX message_embeddings_conversation ON message_embeddings (conversation_id);
CREATE INDEX message_embeddings_of_user ON message_embeddings (tenant_id, user_id);

-- Messages to embed: a bounded number.
CREATE TABLE embedding_outbox (
    message_id uuid PRIMARY KEY REFERENCES messages (id) ON DELETE CASCADE,
    queued_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- Whoever takes it moves this on: not done by then, it is taken again.
    due_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    attempts smallint NOT NULL DEFAULT 0
);

CREATE INDEX embedding_outbox_due ON embedding_outbox (due_at);
