"""A big book of receivables, written by SQL alone in seconds: deterministic, any size, SQLite and PostgreSQL.

Ids follow time, as in a real ledger: one account's rows lie scattered over the tables. About 8 % of the
instalments are open; 5 % were paid in two parts; some payments were returned, some debts written off or
inferred as settled; promises, disputes, credit notes and legal events are sprinkled in. All payments of an
account are one Payment row (the scores read allocations).
"""

from __future__ import annotations

from datetime import date, timedelta

from django.db import connection, transaction

SPAN = 730  # days of history


def _numbers(count: int) -> str:
    if connection.vendor == "postgresql":
        return f"(SELECT generate_series(1::bigint, {count}) AS n)"
    return (
        f"(WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < {count}) SELECT n FROM t)"
    )


def _hash(a: str, b: str) -> str:
    """A portable hash of two integers, 0..2147483646."""
    return f"((({a}) * 1103515245 + ({b}) * 12345 + 67891) % 2147483647 * 69069 % 2147483647)"


class Book:
    """`accounts` credit accounts with `per_account` invoices each, over two years up to `as_of`."""

    def __init__(self, accounts: int, per_account: int = 20, as_of: date = date(2026, 10, 31)) -> None:
        self.accounts, self.per_account, self.as_of = accounts, per_account, as_of
        self.start = as_of - timedelta(days=SPAN)

    def day(self, offset: str) -> str:
        """SQL of a date `offset` days after the start of the book."""
        if connection.vendor == "postgresql":
            return f"(DATE '{self.start}' + ({offset})::integer)"
        return f"date('{self.start}', '+' || ({offset}) || ' days')"

    def build(self) -> None:
        """Fill an empty, migrated database and bring the planner's statistics up to date."""
        with transaction.atomic(), connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                # Foreign keys hold by construction; checking eight million of them is not what is measured.
                cursor.execute("SET LOCAL session_replication_role = replica")
            for statement in self._statements():
                cursor.execute(statement)
        self._settle()
        if connection.vendor == "postgresql":
            tables = (
                "customers_instalment customers_allocation customers_promise customers_promisemove".split()
            )
            with connection.cursor() as cursor:
                for sequenced in [
                    *tables,
                    "customers_invoice",
                    "customers_payment",
                    "customers_creditaccount",
                ]:
                    cursor.execute(
                        f"SELECT setval(pg_get_serial_sequence('{sequenced}', 'id'), (SELECT max(id) FROM {sequenced}))"
                    )

    def _settle(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE" if connection.vendor == "postgresql" else "ANALYZE")

    def _statements(self) -> list[str]:
        return [*self._masters(), *self._ledger(), *self._claims()]

    def _masters(self) -> list[str]:
        now = "CURRENT_TIMESTAMP"
        accounts = _numbers(self.accounts)
        return [
            "INSERT INTO customers_company (id, code, name, country, currency, time_zone) "
            "VALUES (1, 'bench', 'Bench', 'IT', 'EUR', 'Europe/Rome')",
            "INSERT INTO customers_creditsegment (id, company_id, code, name) VALUES (1, 1, 'main', 'Main')",
            "INSERT INTO customers_source (id, company_id, code, name, is_ledger) "
            "VALUES (1, 1, 'erp', 'ERP', TRUE)",
            "INSERT INTO customers_importbatch (id, source_id, file_name, sha256, status, complete_through, "
            f"recorded_at, counts) VALUES (1, 1, '', '', 'committed', {self.day(str(SPAN))}, {now}, '{{}}')",
            "INSERT INTO customers_customer (id, code, name, kind, country, city, vat_number, "
            "registration_number, lei, sector, language, customer_since, status) "
            f"SELECT n, 'B-' || n, 'Customer ' || n, 'company', 'IT', '', '', '', '', '', 'it', "
            f"{self.day(f'n % {SPAN}')}, 'active' FROM {accounts} AS t",
            "INSERT INTO customers_creditaccount (id, customer_id, segment_id, company_id, currency) "
            f"SELECT n, n, 1, 1, 'EUR' FROM {accounts} AS t",
            "INSERT INTO customers_payment (id, effective_on, known_on, recorded_at, company_id, source_id, key, "
            "account_id, instrument, currency, amount, open_amount) "
            f"SELECT n, {self.day('0')}, {self.day('0')}, {now}, 1, 1, 'P-' || n, n, 'transfer', 'EUR', "
            f"1000000000, 0 FROM {accounts} AS t",
        ]

    def _ledger(self) -> list[str]:
        n, per = self.accounts, self.per_account
        now, facts = "CURRENT_TIMESTAMP", "effective_on, known_on, recorded_at"
        # One row per invoice: account i, issued on day d, due 30 days later, paid `late` days after that.
        rows = (
            "SELECT id, i, d, d + 30 AS due, amount, "
            "CASE WHEN h2 % 1000 < 15 THEN 100000 ELSE severity * (h2 % 200) / 100 - 4 END AS late, h3 FROM ("
            f"SELECT (j.n - 1) * {n} + i.n AS id, i.n AS i, {_hash('i.n', '7')} % 100 * ({_hash('i.n', '7')} % 100) "
            f"/ 250 AS severity, (j.n - 1) * {SPAN} / {per} + {_hash('i.n', 'j.n')} % ({SPAN} / {per} + 1) AS d, "
            f"10000 + {_hash('j.n', 'i.n')} % 500000 AS amount, {_hash('i.n + 3', 'j.n')} AS h2, "
            f"{_hash('j.n + 5', 'i.n')} AS h3 "
            f"FROM {_numbers(per)} AS j CROSS JOIN {_numbers(n)} AS i) x"
        )
        make = (
            "CREATE TEMPORARY TABLE bench_row AS SELECT r.*, due + late AS paid, "
            f"CASE WHEN due + late > {SPAN} THEN 1 ELSE 0 END AS is_open, "
            f"CASE WHEN h3 % 20 = 0 AND due + 2 < {SPAN} THEN 1 ELSE 0 END AS in_parts FROM ({rows}) r"
        )
        dates = f"{self.day('d')}, {self.day('d')}, {now}"
        invoices = (
            f"INSERT INTO customers_invoice (id, {facts}, company_id, source_id, number, fiscal_year, kind, "
            f"account_id, currency, amount) SELECT id, {dates}, 1, 1, 'F-' || id, 2025, 'invoice', i, 'EUR', amount "
            "FROM bench_row ORDER BY id"
        )
        instalments = (
            f"INSERT INTO customers_instalment (id, {facts}, invoice_id, number, company_id, account_id, kind, "
            "due_on, currency, amount, account_amount, open_amount, settled_on, settled_by, reopened) "
            f"SELECT id, {dates}, id, 1, 1, i, 'invoice', {self.day('due')}, 'EUR', amount, amount, "
            "CASE WHEN is_open = 1 THEN amount - in_parts * (amount / 2) ELSE 0 END, "
            f"CASE WHEN is_open = 0 THEN {self.day('paid')} END, CASE WHEN is_open = 0 THEN 'cash' ELSE '' END, FALSE "
            "FROM bench_row ORDER BY id"
        )
        allocation = (
            f"INSERT INTO customers_allocation (id, {facts}, kind, account_id, instalment_id, payment_id, currency, "
            "amount, account_amount, days_late) SELECT {id}, {day}, {day}, {now}, 'cash', i, id, i, 'EUR', {amount}, "
            "{amount}, {late} FROM bench_row WHERE {where} ORDER BY id"
        )
        whole = allocation.format(
            id="id * 2",
            day=self.day("paid"),
            now=now,
            amount="amount - in_parts * (amount / 2)",
            late="late",
            where="is_open = 0",
        )
        part = allocation.format(
            id="id * 2 + 1",
            day=self.day("due + 2"),
            now=now,
            amount="amount / 2",
            late="2",
            where="in_parts = 1",
        )
        return [make, invoices, instalments, whole, part]

    def _claims(self) -> list[str]:
        accounts, now = _numbers(self.accounts), "CURRENT_TIMESTAMP"
        facts = "effective_on, known_on, recorded_at"

        def dates(offset: str) -> str:
            return f"{self.day(offset)}, {self.day(offset)}, {now}"

        given = f"(n % 500 + {SPAN - 520})"
        broken = "CASE WHEN n % 3 = 0 THEN 'broken' ELSE 'kept' END"
        return [
            f"INSERT INTO customers_promise (id, {facts}, account_id, currency, amount, due_on, judged_on, given_by, "
            f"status, kept_amount, resolved_on) SELECT n, {dates(given)}, n, 'EUR', 10000, {self.day(f'{given} + 7')}, "
            f"{self.day(f'{given} + 9')}, '', {broken}, 0, {self.day(f'{given} + 9')} "
            f"FROM {accounts} AS t WHERE n % 20 = 0",
            f"INSERT INTO customers_promisemove (id, {facts}, promise_id, from_status, to_status, kept_amount, "
            f"reason_code) SELECT n, {dates(f'{given} + 9')}, n, 'open', {broken}, 0, 'judged' "
            f"FROM {accounts} AS t WHERE n % 20 = 0",
            f"INSERT INTO customers_dispute (id, {facts}, account_id, reason, currency, amount, outcome) "
            f"SELECT n, {dates(str(SPAN - 60))}, n, 'price', 'EUR', 5000, '' "
            f"FROM {accounts} AS t WHERE n % 25 = 0",
            "INSERT INTO customers_disputeitem (dispute_id, instalment_id, amount) "
            "SELECT i, MAX(id), 5000 FROM bench_row WHERE i % 25 = 0 AND is_open = 1 GROUP BY i",
            f"INSERT INTO customers_legalevent ({facts}, customer_id, kind, source, link) "
            f"SELECT {dates(str(SPAN - 90))}, n, 'lien', 'register', '' FROM {accounts} AS t WHERE n % 400 = 0",
            "DROP TABLE bench_row",
        ]
