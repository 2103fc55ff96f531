-- Large offline jobs: files that clients bring and fetch, batches of requests, and the lines that a batch is made of.

CREATE TABLE files (
    id text COLLATE "C" PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenants (id),
    user_id uuid NOT NULL REFERENCES users (id),
    purpose text NOT NULL,
    filename text NOT NULL,
    size_bytes bigint NOT NULL DEFAULT 0 CHECK (size_bytes >= 0),
    -- False while it is being written: nobody sees it until then.
    complete boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz
);

CREATE INDEX files_owner ON files (user_id, created_at, id);
CREATE INDEX files_expiry ON files (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX files_unfinished ON files (created_at) WHERE NOT complete;

CREATE TABLE file_chunks (
    file_id text COLLATE "C" NOT NULL REFERENCES files (id) ON DELETE CASCADE,
    seq integer NOT NULL,
    data bytea NOT NULL,
    PRIMARY KEY (file_id, seq)
);

-- Compressing takes longer than writing what it saves.
ALTER TABLE file_chunks ALTER COLUMN data SET STORAGE EXTERNAL;

CREATE TABLE batches (
    id text COLLATE "C" PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenants (id),
    user_id uuid NOT NULL REFERENCES users (id),
    -- Whose money its lines cost.
    key_id text NOT NULL,
    endpoint text NOT NULL,
    -- May be deleted while the batch goes on: its lines are kept here.
    input_file_id text NOT NULL,
    completion_window text NOT NULL,
    status text NOT NULL DEFAULT 'validating' CHECK (
        status IN (
            'validating', 'failed', 'in_progress', 'finalizing', 'completed', 'expired', 'cancelling', 'cancelled'
        )
    ),
    -- What it ends as, from when no more of its lines are answered.
    ends_as text CHECK (ends_as IN ('completed', 'expired', 'cancelled')),
    metadata jsonb NOT NULL,
    output_lasts_s integer,
    total integer NOT NULL DEFAULT 0,
    completed integer NOT NULL DEFAULT 0,
    failed integer NOT NULL DEFAULT 0,
    -- What is wrong with the lines of its file.
    faults jsonb NOT NULL DEFAULT '[]',
    output_file_id text,
    error_file_id text,
    -- Who reads its file or writes its results, and until when nobody else may.
    holder text,
    held_until timestamptz NOT NULL DEFAULT '-infinity',
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    in_progress_at timestamptz,
    finalizing_at timestamptz,
    completed_at timestamptz,
    failed_at timestamptz,
    expired_at timestamptz,
    cancelling_at timestamptz,
    cancelled_at timestamptz
);

CREATE INDEX batches_owner ON batches (user_id, created_at, id);
CREATE INDEX batches_open ON batches (created_at)
WHERE status IN ('validating', 'in_progress', 'finalizing', 'cancelling');

CREATE TABLE batch_lines (
    batch_id text COLLATE "C" NOT NULL REFERENCES batches (id) ON DELETE CASCADE,
    number integer NOT NULL,
    custom_id text NOT NULL,
    url text NOT NULL,
    -- Null once the line is done.
    body bytea,
    state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'running', 'done')),
    -- How often somebody has set out to answer it: each run is a request of its own in the ledger.
    run integer NOT NULL DEFAULT 0,
    -- How many runs came to nothing although they may have cost something.
    tries integer NOT NULL DEFAULT 0,
    -- From when on it may be run, again if somebody set out: who is alive says so before.
    ready_at timestamptz NOT NULL DEFAULT '-infinity',
    status_code integer,
    request_id text,
    answer bytea,
    PRIMARY KEY (batch_id, number)
);

CREATE INDEX batch_lines_open ON batch_lines (batch_id, number) WHERE state <> 'done';
CREATE INDEX batch_lines_running ON batch_lines (batch_id) WHERE state = 'running';
