-- The ledger's three movements as functions, so that a whole batch is one round trip and one commit, and any number
-- of writers stay correct: what they agree on is in the rows that they lock.

CREATE INDEX entries_overrun ON entries (transfer_id) WHERE account = 'overrun';

-- How much is held for a call that costs `least_` to `most` and rarely more than `usual`; NULL where nothing can be.
-- While money is plentiful all of `most`; else no more than an eighth of what is left beyond the usual, so that one
-- call without a limit of its own does not keep every other one waiting.
CREATE FUNCTION granted(least_ numeric, usual numeric, most numeric, available numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN available IS NULL THEN most
    WHEN available >= least_ THEN least(most, greatest(least(usual, available), div(available, 8)))
END;

CREATE FUNCTION op_key(request_id text, attempt integer) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN request_id || '/' || attempt;

-- A usage record of a call that nobody tells the end of: it neither costs nor counts more than is held for it.
CREATE FUNCTION at_most(record json, held numeric) RETURNS json
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN greatest((record ->> 'cost_pico')::numeric, (record ->> 'counted_pico')::numeric) > held
    THEN (
        record::jsonb
        || jsonb_build_object('cost_pico', least((record ->> 'cost_pico')::numeric, held), 'counted_pico', held)
    )::json
    ELSE record
END;

-- A side of a movement: what is positive is a debit.
CREATE FUNCTION ledger_entry(transfer bigint, account_ text, amount numeric) RETURNS void
LANGUAGE sql
BEGIN ATOMIC
    INSERT INTO entries (transfer_id, account, debit_pico, credit_pico)
    SELECT transfer, account_, greatest(amount, 0), greatest(-amount, 0)
    WHERE amount <> 0;
END;

-- The outcome of a call whose hold is no longer open: told again (nothing happens), or told after its lease had
-- lapsed or a release (what was charged is corrected, never edited).
CREATE FUNCTION ledger_late(told model_usage) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    reserved transfers;
    earlier transfers;
    before numeric := 0;
    overrun_before numeric := 0;
    discount_before numeric := 0;
    counted_before numeric := 0;
    -- What the accounts, the payer, the overruns and the discounts are corrected by.
    posted numeric;
    paid numeric;
    overrun numeric;
    discount numeric;
    adjusted bigint;
    counted bigint[];
BEGIN
    SELECT * INTO reserved FROM transfers AS t
    WHERE t.tenant_id = told.tenant_id AND t.op_key = op_key(told.request_id, told.attempt);
    SELECT * INTO earlier FROM transfers AS t
    WHERE t.pending_id = reserved.id AND t.kind IN ('settle', 'release', 'expire');
    IF earlier.kind = 'settle' OR told.status = 'expired' AND earlier.id IS NOT NULL THEN
        RETURN;
    END IF;
    IF earlier.kind = 'expire' THEN
        before := earlier.amount_pico;
        SELECT
            coalesce(sum(debit_pico) FILTER (WHERE account = 'overrun'), 0),
            coalesce(sum(debit_pico) FILTER (WHERE account = 'discount'), 0)
        INTO overrun_before, discount_before
        FROM entries WHERE transfer_id = earlier.id;
    END IF;
    counted_before := coalesce(earlier.posted_pico, 0);
    discount := told.discount_pico - discount_before;
    IF told.cost_pico = before AND counted_before <= before AND discount = 0 THEN
        RETURN;
    END IF;
    -- The hold is gone: what was counted is all that the accounts still have room for.
    posted := least(told.cost_pico - counted_before, 0);
    paid := least(told.cost_pico, counted_before) - (before - overrun_before);
    overrun := told.cost_pico - before - paid;
    -- Of budgets made while the call was under way, and of those made since, which took what was counted for spent.
    SELECT coalesce(earlier.account_ids, reserved.account_ids, '{}') || coalesce(array_agg(a.id), '{}')
    INTO counted
    FROM budgets_of(
        told.tenant_id, told.team_id::text, told.user_id::text, told.key_id, told.conversation_id
    ) AS b
    JOIN accounts AS a
        ON a.budget_id = b.id AND a.window_start = window_start(b.period, b.rolling_hours, told.created_at)
    WHERE earlier.kind = 'expire' AND b.created_at > earlier.at;
    INSERT INTO transfers (
        tenant_id, op_key, kind, pending_id, amount_pico, posted_pico, account_ids, price_snapshot, estimated
    )
    VALUES (
        told.tenant_id, op_key(told.request_id, told.attempt) || ':adjust', 'adjust', reserved.id,
        abs(told.cost_pico - before), posted, counted,
        told.price_snapshot, told.estimated
    )
    ON CONFLICT DO NOTHING
    RETURNING id INTO adjusted;
    IF adjusted IS NULL THEN
        RETURN;
    END IF;
    PERFORM ledger_entry(adjusted, 'key:' || coalesce(told.key_id, ''), paid);
    PERFORM ledger_entry(adjusted, 'overrun', overrun);
    PERFORM ledger_entry(adjusted, 'discount', discount);
    PERFORM ledger_entry(adjusted, 'provider:' || told.provider, -(paid + overrun + discount));
    UPDATE model_usage AS u SET (
        status, input_tokens, cache_read_tokens, cache_write_5m_tokens, cache_write_1h_tokens, output_tokens,
        reasoning_tokens, service_tier, cost_pico, counted_pico, discount_pico, saved_pico, usage_details, estimated,
        response_time_ms, first_token_ms, error_code
    ) = ROW (
        told.status, told.input_tokens, told.cache_read_tokens, told.cache_write_5m_tokens,
        told.cache_write_1h_tokens, told.output_tokens, told.reasoning_tokens, told.service_tier, told.cost_pico,
        told.counted_pico, told.discount_pico, told.saved_pico, told.usage_details, told.estimated,
        told.response_time_ms, told.first_token_ms, told.error_code
    )
    WHERE u.request_id = told.request_id AND u.attempt = told.attempt;
    IF posted < 0 THEN
        PERFORM FROM accounts WHERE id = ANY (counted) ORDER BY id FOR UPDATE;
        UPDATE accounts SET posted_pico = posted_pico + posted WHERE id = ANY (counted);
    END IF;
END;
$$;

-- The accounts of a budget that count now; where its window begins with this call, there is none for it yet.
CREATE FUNCTION windows_of(of budgets) RETURNS TABLE (budget_id uuid, account_id bigint, is_new boolean, rolls boolean)
LANGUAGE sql STABLE ROWS 2
BEGIN ATOMIC
    SELECT
        of.id,
        a.id,
        a.id IS NULL OR of.period = 'rolling' AND max(a.window_start) OVER () < window_start(of.period, of.rolling_hours, now()),
        of.period = 'rolling'
    FROM (SELECT) AS one
    LEFT JOIN accounts AS a
        ON a.budget_id = of.id AND a.window_start >= counts_from(of.period, of.rolling_hours, now());
END;

-- A batch: outcomes of calls first (usage records as JSON objects by column), then reservations. Of each reservation:
-- what it was granted, or which budget stands against it and whether only calls
-- under way do.
CREATE FUNCTION ledger_apply(records json, asks json, lease interval)
RETURNS TABLE (asked text, granted_pico numeric, in_flight boolean, blocked json)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    touched bigint[];
    released numeric[];
    spent numeric[];
    late model_usage[];
    told model_usage;
    budget_ids uuid[];
    live bigint[];
    some_are_new boolean;
    some_roll boolean;
    ask record;
    account_ids_ bigint[];
    room numeric;
    room_without_holds numeric;
    tightest uuid;
    amount numeric;
BEGIN
    -- A budget that is made meanwhile waits for this batch, and the next one for it.
    PERFORM pg_advisory_xact_lock_shared(7240116302);

    IF records IS NOT NULL THEN
        WITH
        told AS MATERIALIZED (
            SELECT *, op_key(request_id, attempt) AS op_key FROM json_populate_recordset(NULL::model_usage, records)
        ),
        closed AS (
            DELETE FROM holds AS h USING told AS r
            WHERE h.tenant_id = r.tenant_id AND h.op_key = r.op_key
            RETURNING
                h.transfer_id, h.amount_pico, h.account_ids,
                least(r.cost_pico, h.amount_pico) AS paid,
                least(greatest(r.cost_pico, r.counted_pico), h.amount_pico) AS counts,
                r.*
        ),
        posted AS (
            INSERT INTO transfers (
                tenant_id, op_key, kind, pending_id, amount_pico, posted_pico, account_ids, price_snapshot, estimated
            )
            SELECT
                tenant_id,
                op_key || ':end',
                CASE
                    WHEN status = 'expired' THEN 'expire'
                    WHEN cost_pico = 0 AND status <> 'completed' THEN 'release'
                    ELSE 'settle'
                END,
                transfer_id, cost_pico, counts, account_ids, price_snapshot, estimated
            FROM closed
            RETURNING id, pending_id
        ),
        sides AS (
            INSERT INTO entries (transfer_id, account, debit_pico, credit_pico)
            SELECT p.id, side.account, side.debit, side.credit
            FROM posted AS p
            JOIN closed AS c ON c.transfer_id = p.pending_id
            CROSS JOIN LATERAL (VALUES
                ('key:' || coalesce(c.key_id, ''), c.paid, 0),
                ('overrun', c.cost_pico - c.paid, 0),
                ('discount', c.discount_pico, 0),
                ('provider:' || c.provider, 0, c.cost_pico + c.discount_pico)
            ) AS side (account, debit, credit)
            WHERE side.debit + side.credit > 0
        ),
        kept AS (
            INSERT INTO model_usage AS u (
                request_id, attempt, tenant_id, team_id, user_id, key_id, conversation_id, model_id, requested_model,
                provider, endpoint, task, stream, status, input_tokens, cache_read_tokens, cache_write_5m_tokens,
                cache_write_1h_tokens, output_tokens, reasoning_tokens, service_tier, cost_pico, counted_pico,
                discount_pico, saved_pico, price_snapshot, estimated, response_time_ms, first_token_ms, error_code,
                usage_details, request_digest, created_at
            )
            SELECT
                request_id, attempt, tenant_id, team_id, user_id, key_id, conversation_id, model_id, requested_model,
                provider, endpoint, task, stream, status, input_tokens, cache_read_tokens, cache_write_5m_tokens,
                cache_write_1h_tokens, output_tokens, reasoning_tokens, service_tier, cost_pico, counted_pico,
                discount_pico, saved_pico, price_snapshot, estimated, response_time_ms, first_token_ms, error_code,
                usage_details, request_digest, created_at
            FROM told
            -- What was guessed for a call that nobody answered for gives way to what is known of it.
            ON CONFLICT (request_id, attempt) DO UPDATE SET
                status = excluded.status,
                input_tokens = excluded.input_tokens,
                cache_read_tokens = excluded.cache_read_tokens,
                cache_write_5m_tokens = excluded.cache_write_5m_tokens,
                cache_write_1h_tokens = excluded.cache_write_1h_tokens,
                output_tokens = excluded.output_tokens,
                reasoning_tokens = excluded.reasoning_tokens,
                service_tier = excluded.service_tier,
                cost_pico = excluded.cost_pico,
                counted_pico = excluded.counted_pico,
                discount_pico = excluded.discount_pico,
                saved_pico = excluded.saved_pico,
                usage_details = excluded.usage_details,
                estimated = excluded.estimated,
                response_time_ms = excluded.response_time_ms,
                first_token_ms = excluded.first_token_ms,
                error_code = excluded.error_code
            WHERE u.status = 'expired' AND excluded.status <> 'expired'
        ),
        moved AS (
            SELECT account_id, sum(c.amount_pico) AS amount, sum(c.counts) AS counts
            FROM closed AS c
            CROSS JOIN LATERAL unnest(c.account_ids) AS account_id
            GROUP BY account_id
        )
        SELECT
            array_agg(account_id), array_agg(amount), array_agg(counts),
            (
                SELECT array_agg(r) FROM json_populate_recordset(NULL::model_usage, records) AS r
                WHERE NOT EXISTS (
                    SELECT FROM closed AS c WHERE c.request_id = r.request_id AND c.attempt = r.attempt
                )
            )
        INTO touched, released, spent, late
        FROM moved;
    END IF;

    IF asks IS NOT NULL THEN
        SELECT array_agg(w.budget_id), array_agg(w.account_id), bool_or(w.is_new), bool_or(w.rolls)
        INTO budget_ids, live, some_are_new, some_roll
        FROM json_to_recordset(asks)
            AS a (tenant_id uuid, team_id text, user_id text, key_id text, conversation_id text),
            budgets_of(a.tenant_id, a.team_id, a.user_id, a.key_id, a.conversation_id) AS b,
            windows_of(b) AS w;
        IF some_roll THEN
            -- Where a rolling period steps on, one batch may be in its new bucket and another in the old.
            PERFORM FROM budgets AS b
            WHERE b.id = ANY (budget_ids) AND b.period = 'rolling'
            ORDER BY b.id
            FOR NO KEY UPDATE;
        END IF;
        IF some_are_new THEN
            INSERT INTO accounts (budget_id, window_start, limit_pico)
            SELECT b.id, window_start(b.period, b.rolling_hours, now()), CASE WHEN b.hard THEN b.limit_pico END
            FROM budgets AS b
            WHERE b.id = ANY (budget_ids)
            ORDER BY b.id
            ON CONFLICT DO NOTHING;
        END IF;
        IF some_roll OR some_are_new THEN
            SELECT array_agg(w.account_id) INTO live
            FROM budgets AS b, windows_of(b) AS w
            WHERE b.id = ANY (budget_ids);
        END IF;
    END IF;

    -- In one order, so that no two batches wait for each other.
    IF touched IS NOT NULL OR live IS NOT NULL THEN
        PERFORM FROM accounts AS a
        WHERE a.id = ANY (touched || live)
        ORDER BY a.id
        FOR UPDATE;
    END IF;
    IF touched IS NOT NULL THEN
        UPDATE accounts AS a SET
            pending_pico = a.pending_pico - d.amount,
            posted_pico = a.posted_pico + d.counts
        FROM unnest(touched, released, spent) AS d (id, amount, counts)
        WHERE a.id = d.id;
    END IF;
    IF late IS NOT NULL THEN
        FOREACH told IN ARRAY late LOOP
            PERFORM ledger_late(told);
        END LOOP;
    END IF;

    IF asks IS NULL THEN
        RETURN;
    END IF;
    FOR ask IN
        SELECT
            a.*,
            -- Not EXISTS, which would be hashed: all of the journal.
            (SELECT t.id FROM transfers AS t WHERE t.tenant_id = a.tenant_id AND t.op_key = a.op_key) AS known,
            (
                SELECT u.id FROM model_usage AS u
                WHERE u.request_id = a.record ->> 'request_id' AND u.attempt = (a.record ->> 'attempt')::integer
            ) AS told
        FROM json_to_recordset(asks) AS a (
            op_key text, tenant_id uuid, team_id text, user_id text, key_id text, conversation_id text,
            least_pico numeric, usual_pico numeric, most_pico numeric, record json
        )
    LOOP
        asked := ask.op_key;
        granted_pico := NULL;
        in_flight := false;
        blocked := NULL;
        IF ask.known IS NOT NULL OR ask.told IS NOT NULL THEN
            -- Asked again, the answer having been lost: the same answer while the hold is open. None is opened for a
            -- call whose end has overtaken it.
            SELECT h.amount_pico INTO granted_pico FROM holds AS h
            WHERE h.tenant_id = ask.tenant_id AND h.op_key = ask.op_key;
            RETURN NEXT;
            CONTINUE;
        END IF;
        account_ids_ := '{}';
        amount := ask.most_pico;
        IF budget_ids IS NOT NULL THEN
            SELECT
                coalesce(array_agg(w.now_ ORDER BY w.now_), '{}'),
                min(w.room) FILTER (WHERE w.hard),
                min(w.room + w.pending) FILTER (WHERE w.hard),
                (array_agg(w.id ORDER BY w.room) FILTER (WHERE w.hard))[1]
            INTO account_ids_, room, room_without_holds, tightest
            FROM (
                SELECT
                    b.id, b.hard,
                    b.limit_pico - sum(a.posted_pico + a.pending_pico) AS room,
                    sum(a.pending_pico) AS pending,
                    max(a.id) FILTER (
                        WHERE a.window_start = window_start(b.period, b.rolling_hours, now())
                    ) AS now_
                FROM budgets_of(ask.tenant_id, ask.team_id, ask.user_id, ask.key_id, ask.conversation_id) AS b
                JOIN accounts AS a
                    ON a.budget_id = b.id AND a.window_start >= counts_from(b.period, b.rolling_hours, now())
                GROUP BY b.id, b.hard, b.limit_pico, b.period, b.rolling_hours
            ) AS w;
            amount := granted(ask.least_pico, ask.usual_pico, ask.most_pico, room);
            IF amount IS NULL THEN
                in_flight := room_without_holds >= ask.least_pico;
                SELECT json_build_object(
                    'budget_id', b.id, 'scope', b.scope, 'period', b.period, 'limit_pico', b.limit_pico,
                    'left_pico', room, 'window_start', window_start(b.period, b.rolling_hours, now())
                )
                INTO blocked
                FROM budgets AS b
                WHERE b.id = tightest;
                RETURN NEXT;
                CONTINUE;
            END IF;
            UPDATE accounts SET pending_pico = pending_pico + amount WHERE id = ANY (account_ids_);
        END IF;
        WITH reserved AS (
            INSERT INTO transfers (tenant_id, op_key, kind, amount_pico, account_ids)
            VALUES (ask.tenant_id, ask.op_key, 'reserve', amount, account_ids_)
            RETURNING id
        )
        INSERT INTO holds (tenant_id, op_key, transfer_id, amount_pico, account_ids, lease_until, record)
        SELECT
            ask.tenant_id, ask.op_key, id, amount, account_ids_, clock_timestamp() + lease, at_most(ask.record, amount)
        FROM reserved;
        granted_pico := amount;
        RETURN NEXT;
    END LOOP;
END;
$$;

-- Calls that are still under way, and what they have cost so far, as usage records.
CREATE FUNCTION ledger_renew(records json, lease interval) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(7240116302);
    WITH told AS (
        SELECT
            (value ->> 'tenant_id')::uuid AS tenant_id,
            op_key(value ->> 'request_id', (value ->> 'attempt')::integer) AS op_key,
            value AS record
        FROM json_array_elements(records)
    ),
    found AS (
        SELECT h.tenant_id, h.op_key, t.record
        FROM told AS t
        JOIN holds AS h ON h.tenant_id = t.tenant_id AND h.op_key = t.op_key
        ORDER BY h.tenant_id, h.op_key
        FOR UPDATE OF h
    )
    UPDATE holds AS h
    SET lease_until = clock_timestamp() + lease, record = at_most(f.record, h.amount_pico)
    FROM found AS f
    WHERE h.tenant_id = f.tenant_id AND h.op_key = f.op_key;
END;
$$;
