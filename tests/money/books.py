"""The rules of double entry, asked of PostgreSQL: each query returns the rows that break one; none should."""

from collections.abc import Mapping

import psycopg

RULES: Mapping[str, str] = {
    "debits equal credits in each transfer": """
        SELECT transfer_id FROM entries GROUP BY transfer_id HAVING sum(debit_pico) <> sum(credit_pico)
    """,
    "entries belong to a transfer that moves money": """
        SELECT e.transfer_id FROM entries AS e
        LEFT JOIN transfers AS t ON t.id = e.transfer_id
        WHERE t.id IS NULL OR t.kind IN ('reserve', 'release')
    """,
    "a reservation is open or resolved once": """
        SELECT r.op_key FROM transfers AS r
        WHERE r.kind = 'reserve' AND (
            (SELECT count(*) FROM transfers AS t
             WHERE t.pending_id = r.id AND t.kind IN ('settle', 'release', 'expire'))
            + (SELECT count(*) FROM holds AS h WHERE h.transfer_id = r.id)
        ) <> 1
    """,
    "what accounts say is spent is what was posted to them": """
        SELECT a.id FROM accounts AS a
        LEFT JOIN (
            SELECT account_id, sum(t.posted_pico) AS pico
            FROM transfers AS t CROSS JOIN LATERAL unnest(t.account_ids) AS account_id
            GROUP BY account_id
        ) AS p ON p.account_id = a.id
        WHERE a.posted_pico <> a.opening_pico + coalesce(p.pico, 0)
    """,
    "what accounts say is held is what is held": """
        SELECT a.id FROM accounts AS a
        LEFT JOIN (
            SELECT account_id, sum(h.amount_pico) AS pico
            FROM holds AS h CROSS JOIN LATERAL unnest(h.account_ids) AS account_id
            GROUP BY account_id
        ) AS p ON p.account_id = a.id
        WHERE a.pending_pico <> coalesce(p.pico, 0)
    """,
    "no hard budget is overspent": """
        SELECT b.id FROM accounts AS a JOIN budgets AS b ON b.id = a.budget_id
        WHERE b.hard AND a.posted_pico + a.pending_pico > b.limit_pico
    """,
    "what a call cost is what was posted for it": """
        SELECT coalesce(u.op_key, p.op_key)
        FROM (
            SELECT tenant_id, request_id || '/' || attempt AS op_key, cost_pico + discount_pico AS pico
            FROM model_usage
        ) AS u
        FULL JOIN (
            SELECT
                t.tenant_id, split_part(t.op_key, ':', 1) AS op_key,
                sum(e.credit_pico - e.debit_pico) AS pico
            FROM transfers AS t
            JOIN entries AS e ON e.transfer_id = t.id AND e.account LIKE 'provider:%'
            WHERE NOT EXISTS (
                SELECT FROM entries AS r WHERE r.transfer_id = t.id AND r.account = 'reconciliation'
            )
            GROUP BY t.tenant_id, split_part(t.op_key, ':', 1)
        ) AS p USING (tenant_id, op_key)
        WHERE coalesce(u.pico, 0) <> coalesce(p.pico, 0)
    """,
}


def broken_rules(connection: psycopg.Connection) -> dict[str, list[str]]:
    """What breaks each broken rule, at most ten of them."""
    found = {name: connection.execute(rule.encode()).fetchmany(10) for name, rule in RULES.items()}
    return {name: [str(row[0]) for row in rows] for name, rows in found.items() if rows}
