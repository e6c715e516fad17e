"""Storing what is left after every check: a handful of INSERT ... SELECT, the same on both databases.

New instalments and payments are inserted with their counters already right; stored ones that the file settles
are recounted afterwards (customers.ledger.counters). The caller holds the transaction and the source's lock.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection

from customers.imports import staging
from customers.imports.matching import Target
from customers.imports.staging import days_between, execute, later_of, lesser_of, rows
from customers.ledger.counters import lock_instalments, recount
from customers.models import ImportBatch, Instalment


@dataclass
class Writer:
    target: Target
    batch: ImportBatch
    now: datetime

    def __post_init__(self) -> None:
        t = self.target
        self.params: dict[str, Any] = {
            "company": t.company_id,
            "source": t.source_id,
            "batch": self.batch.pk,
            "now": connection.ops.adapt_datetimefield_value(self.now),
            "corrected": t.corrected_on.isoformat(),
            "today": t.import_day.isoformat(),
            "snapshot": t.snapshot_on.isoformat() if t.snapshot_on else None,
        }
        cast = "CAST(%({})s AS date)" if staging.is_postgres() else "%({})s"
        self.corrected, self.snapshot = cast.format("corrected"), cast.format("snapshot")
        self.today = cast.format("today")

    def run(self, sql: str) -> int:
        return execute(sql, self.params)

    def documents(self) -> dict[str, int]:
        """Invoices and credit notes with their instalments: new ones, and new versions of changed ones."""
        self.number_rows()
        stored = "import_new"
        if self.target.spec.has("instalment"):
            stored = """(SELECT invoice_id, MIN(issued_on) AS issued_on, MIN(known_on) AS known_on, number,
                fiscal_year, kind, MIN(currency) AS currency, SUM(amount) AS amount,
                MIN(account_id) AS account_id, MIN(old_id) AS old_id, MAX(delivery) AS delivery
                FROM import_new GROUP BY invoice_id, number, fiscal_year, kind) x ORDER BY invoice_id"""
        # A file that does not say of a document how it was sent takes nothing back: of all its rows, as one may say it
        # for all, and with the import that had said it.
        kept = "old_id IS NOT NULL AND delivery = ''"
        old = "(SELECT o.{} FROM customers_invoice o WHERE o.id = old_id)"
        sent = f"CASE WHEN {kept} THEN {old.format('delivery')} ELSE delivery END"
        learned = f"CASE WHEN {kept} THEN {old.format('delivery_batch_id')} END"
        invoices = self.run(
            f"""INSERT INTO customers_invoice (id, effective_on, known_on, recorded_at, number, fiscal_year, kind,
                currency, amount, account_id, batch_id, company_id, corrects_id, source_id, delivery,
                delivery_batch_id)
            SELECT invoice_id, issued_on, known_on, %(now)s, number, fiscal_year, kind, currency, amount,
                account_id, %(batch)s, %(company)s, old_id, %(source)s, {sent}, {learned} FROM {stored}"""
        )
        if invoices:
            self.instalments()
            self.analyze_documents(invoices)
        return {"documents": invoices}

    def deliveries(self) -> dict[str, int]:
        """How documents were sent that the ledger has already, where nobody had said it."""
        if not self.target.spec.has("delivery"):
            return {"deliveries": 0}
        learned = self.run(
            """UPDATE customers_invoice SET delivery = m.delivery, delivery_batch_id = %(batch)s FROM import_match m
            WHERE m.invoice_id = customers_invoice.id AND m.delivery <> '' AND m.state <> 1
                AND customers_invoice.delivery = ''"""
        )
        return {"deliveries": learned}

    def number_rows(self) -> None:
        """Fill import_new. Ids known beforehand spare a look-up of every stored document by its key.

        Numbered by account: an account's documents then lie together in the tables and in most of their indexes,
        which is faster to store than the order of the file, and to read ever after.
        """
        order = "account_id, due_on, row_no"
        known = f"CASE WHEN d.old_id IS NULL THEN d.known_on ELSE {self.corrected} END"
        self.run(
            f"""INSERT INTO import_new SELECT {staging.next_ids("customers_invoice", order)}, x.* FROM (
                SELECT d.row_no, d.number, d.fiscal_year, d.kind, d.instalment, d.issued_on, d.due_on, {known},
                    d.currency, d.amount, COALESCE(r.account_amount, d.amount), d.open_amount, d.settled_on,
                    d.paid, c.account_id, d.old_id, d.delivery
                FROM import_write d JOIN import_customer c ON c.key = d.customer
                LEFT JOIN import_rate r ON r.row_no = d.row_no ORDER BY {order.replace("row_no", "d.row_no")}) x"""
        )
        if self.target.spec.has("instalment"):
            # Rows of one document take the id of its first.
            self.run(
                """UPDATE import_new SET invoice_id = g.first, known_on = g.known FROM (
                    SELECT number, fiscal_year, kind, MIN(invoice_id) AS first, MIN(known_on) AS known
                    FROM import_new GROUP BY number, fiscal_year, kind) g
                WHERE g.number = import_new.number AND g.fiscal_year = import_new.fiscal_year
                    AND g.kind = import_new.kind"""
            )

    def analyze_documents(self, added: int) -> None:
        """Statistics for the joins that follow; when none follows, PostgreSQL's autovacuum sees to them soon."""
        followed = self.target.spec.layout != "transactions" or staging.scalar(
            "SELECT EXISTS (SELECT 1 FROM import_pay)"
        )
        if followed:
            staging.analyze_stored("customers_invoice", added)
            staging.analyze_stored("customers_instalment", added)

    def instalments(self) -> None:
        settled, on, by, join = self._settlement()
        self.run(
            f"""INSERT INTO customers_instalment (effective_on, known_on, recorded_at, number, kind, due_on,
                currency, amount, account_amount, open_amount, settled_on, settled_by, reopened, account_id,
                company_id, invoice_id)
            SELECT d.issued_on, d.known_on, %(now)s, d.instalment, d.kind, d.due_on, d.currency, d.amount,
                d.account_amount, d.amount - {settled}, CASE WHEN {settled} = d.amount THEN {on} END,
                CASE WHEN {settled} = d.amount THEN {by} ELSE '' END, FALSE, d.account_id, %(company)s,
                d.invoice_id
            FROM import_new d {join}{" ORDER BY d.invoice_id, d.row_no" if join else ""}"""
        )

    def _settlement(self) -> tuple[str, str, str, str]:
        """SQL for what the file settles of a new instalment: amount, last day, how, and the join for it."""
        layout = self.target.spec.layout
        if layout == "settled":
            paid = f"CASE WHEN d.settled_on IS NULL THEN 0 ELSE {lesser_of('d.paid', 'd.amount')} END"
            return f"({paid})", "d.settled_on", "'cash'", ""
        if layout == "snapshot":
            # A new version of a stored item starts whole: its allocations move over and are recounted.
            return (
                "(CASE WHEN d.old_id IS NULL THEN d.amount - d.open_amount ELSE 0 END)",
                "CAST(NULL AS date)",
                "''",
                "",
            )
        if not staging.scalar("SELECT EXISTS (SELECT 1 FROM import_alloc)"):
            return "0", "CAST(NULL AS date)", "''", ""
        # A credit note is used up by its own references (pay_row), an invoice by those of others.
        join = """LEFT JOIN (SELECT number, fiscal_year, instalment, SUM(amount) AS total,
                MAX(settles_on) AS last, MAX(kind) AS kind FROM import_alloc
                GROUP BY number, fiscal_year, instalment) a ON d.kind = 'invoice' AND a.number = d.number
                AND a.fiscal_year = d.fiscal_year AND a.instalment = d.instalment
            LEFT JOIN (SELECT pay_row, SUM(amount) AS total, MAX(settles_on) AS last FROM import_alloc
                WHERE kind = 'credit' GROUP BY pay_row) k ON k.pay_row = d.row_no"""
        total = "COALESCE(a.total, k.total, 0)"
        # Of a new version the moved allocations count too: it starts whole and is recounted.
        total = f"(CASE WHEN d.old_id IS NULL THEN {total} ELSE 0 END)"
        return total, "COALESCE(a.last, k.last)", "COALESCE(a.kind, 'credit')", join

    def settlements(self) -> dict[str, int]:
        """The settled layout's payments, allocations and disputes."""
        known = f"CASE WHEN d.old_payment_id IS NULL THEN d.pay_known_on ELSE {self.corrected} END"
        used = lesser_of("d.paid", "d.amount")
        payments = self.run(
            f"""INSERT INTO customers_payment (effective_on, known_on, recorded_at, key, instrument, currency,
                amount, open_amount, account_id, batch_id, company_id, source_id)
            SELECT d.settled_on, {known}, %(now)s, d.pay_key, d.instrument, d.currency, d.paid, d.paid - {used},
                c.account_id, %(batch)s, %(company)s, %(source)s
            FROM import_settle d JOIN import_customer c ON c.key = d.customer ORDER BY d.row_no"""
        )
        if not payments:
            return {"payments": 0, "allocations": 0, "disputes": 0}
        staging.analyze_stored("customers_payment", payments)
        self.run(
            f"""INSERT INTO customers_allocation (effective_on, known_on, recorded_at, kind, currency, amount,
                account_amount, days_late, account_id, batch_id, instalment_id, payment_id)
            SELECT d.settled_on, {later_of("t.known_on", "y.known_on")}, %(now)s, 'cash', d.currency, {used},
                {self._share(used)}, {days_between("d.settled_on", "t.due_on")}, t.account_id, %(batch)s, t.id, y.id
            {self._stored("import_settle")} ORDER BY d.row_no"""
        )
        disputes = self.disputes()
        return {"payments": payments, "allocations": payments, "disputes": disputes}

    def _stored(self, staged: str) -> str:
        """FROM clause: a staged row with its stored instalment and payment."""
        return f"""FROM {staged} d JOIN customers_invoice i ON i.company_id = %(company)s
                AND i.source_id = %(source)s AND i.number = d.number AND i.fiscal_year = d.fiscal_year
                AND i.kind = d.kind AND i.superseded_at IS NULL
            JOIN customers_instalment t ON t.invoice_id = i.id AND t.number = d.instalment
            JOIN customers_payment y ON y.batch_id = %(batch)s AND y.key = d.pay_key AND y.superseded_at IS NULL"""

    @staticmethod
    def _share(amount: str) -> str:
        """SQL for an allocation's amount in the account's currency, at its document's rate."""
        exact = "CAST(ROUND(CAST({0} AS numeric) * t.account_amount / t.amount) AS bigint)"
        if not staging.is_postgres():
            exact = "CAST(ROUND(1.0 * {0} * t.account_amount / t.amount) AS integer)"
        return f"CASE WHEN t.account_amount = t.amount THEN {amount} ELSE {exact.format(amount)} END"

    def disputes(self) -> int:
        """Disputed rows: raised and closed on the settlement day, the first day anybody could know (no leakage)."""
        if not self.target.spec.has("disputed"):
            return 0
        if staging.is_postgres():
            number = "nextval(pg_get_serial_sequence('customers_dispute', 'id'))"
        else:
            number = """(SELECT COALESCE(MAX(seq), 0) FROM sqlite_sequence WHERE name = 'customers_dispute')
                + ROW_NUMBER() OVER (ORDER BY d.row_no)"""
        self.run(
            f"""INSERT INTO import_dispute (id, instalment_id, row_no) SELECT {number}, t.id, d.row_no
            {self._stored("import_settle")} WHERE d.disputed = 1"""
        )
        join = """FROM import_dispute s JOIN customers_instalment t ON t.id = s.instalment_id
            JOIN import_settle d ON d.row_no = s.row_no"""
        known = f"CASE WHEN d.old_payment_id IS NULL THEN d.pay_known_on ELSE {self.corrected} END"
        count = self.run(
            f"""INSERT INTO customers_dispute (id, effective_on, known_on, recorded_at, reason, currency, amount,
                closed_on, closed_known_on, closed_recorded_at, outcome, account_id, batch_id)
            SELECT s.id, d.settled_on, {known}, %(now)s, 'other', t.currency, t.amount, d.settled_on, {known},
                %(now)s, 'settled', t.account_id, %(batch)s {join} ORDER BY s.id"""
        )
        self.run(
            f"""INSERT INTO customers_disputeitem (dispute_id, instalment_id, amount)
            SELECT s.id, t.id, t.amount {join} ORDER BY s.id"""
        )
        return count

    def payments(self) -> dict[str, int]:
        """The transactions layout's payments and what they and the credit notes settle."""
        known = f"CASE WHEN m.payment_id IS NULL THEN p.known_on ELSE {self.corrected} END"
        payments = self.run(
            f"""INSERT INTO customers_payment (effective_on, known_on, recorded_at, key, instrument, currency,
                amount, open_amount, account_id, batch_id, company_id, source_id)
            SELECT p.received_on, {known}, %(now)s, p.pay_key, p.instrument, p.currency, p.amount,
                p.amount - CASE WHEN m.payment_id IS NULL THEN COALESCE(a.total, 0) ELSE 0 END, c.account_id,
                %(batch)s, %(company)s, %(source)s
            FROM import_pay p JOIN import_customer c ON c.key = p.customer
            LEFT JOIN import_paymatch m ON m.row_no = p.row_no
            LEFT JOIN (SELECT pay_row, SUM(amount) AS total FROM import_alloc GROUP BY pay_row) a
                ON a.pay_row = p.row_no
            WHERE p.pay_key IS NOT NULL AND (m.payment_id IS NULL OR m.state = 1)
                AND NOT EXISTS (SELECT 1 FROM import_bad b WHERE b.row_no = p.row_no) ORDER BY p.row_no"""
        )
        staging.analyze_stored("customers_payment", payments)
        return {"payments": payments, "allocations": self.allocations()}

    def allocations(self) -> int:
        if not staging.scalar("SELECT COUNT(*) FROM import_alloc"):
            return 0
        document = """JOIN customers_invoice i ON i.company_id = %(company)s AND i.source_id = %(source)s
                AND i.number = l.number AND i.fiscal_year = l.fiscal_year AND i.kind = 'invoice'
                AND i.superseded_at IS NULL
            JOIN customers_instalment t ON t.invoice_id = i.id AND t.number = l.instalment"""
        insert = """INSERT INTO customers_allocation (effective_on, known_on, recorded_at, kind, currency, amount,
            account_amount, days_late, account_id, batch_id, instalment_id, payment_id, credit_id)"""
        known = later_of("l.known_on", "t.known_on")
        cash = self.run(
            f"""{insert} SELECT l.settles_on, {known}, %(now)s, 'cash', t.currency, l.amount,
                {self._share("l.amount")}, {days_between("l.settles_on", "t.due_on")}, t.account_id, %(batch)s,
                t.id, y.id, NULL
            FROM import_alloc l JOIN import_pay p ON p.row_no = l.pay_row {document}
            JOIN customers_payment y ON y.company_id = %(company)s AND y.source_id = %(source)s
                AND y.key = p.pay_key AND y.superseded_at IS NULL
            WHERE l.kind = 'cash' ORDER BY l.pay_row"""
        )
        credit = self.run(
            f"""{insert} SELECT l.settles_on, {known}, %(now)s, 'credit', t.currency, l.amount,
                {self._share("l.amount")}, NULL, t.account_id, %(batch)s, t.id, NULL, s.id
            FROM import_alloc l JOIN import_doc d ON d.row_no = l.pay_row {document}
            JOIN customers_invoice n ON n.company_id = %(company)s AND n.source_id = %(source)s
                AND n.number = d.number AND n.fiscal_year = d.fiscal_year AND n.kind = d.kind
                AND n.superseded_at IS NULL
            JOIN customers_instalment s ON s.invoice_id = n.id AND s.number = d.instalment
            WHERE l.kind = 'credit' ORDER BY l.pay_row"""
        )
        return cash + credit

    def inferred(self) -> dict[str, int]:
        """What the snapshot shows as settled since the last one; what was inferred too early is reversed first."""
        grown = rows(
            """SELECT t.id, -v.amount FROM import_vanish v JOIN customers_invoice i ON i.company_id = %(company)s
                AND i.source_id = %(source)s AND i.number = v.number AND i.fiscal_year = v.fiscal_year
                AND i.kind = v.kind AND i.superseded_at IS NULL
            JOIN customers_instalment t ON t.invoice_id = i.id AND t.number = v.instalment
            WHERE v.grew = 1""",
            self.params,
        )
        touched = self._reverse_inferred(dict(grown)) if grown else []
        count = self.run(
            f"""INSERT INTO customers_allocation (effective_on, known_on, recorded_at, kind, currency, amount,
                account_amount, settled_after, account_id, batch_id, instalment_id)
            SELECT {later_of(self.snapshot, "t.effective_on")}, {later_of(self.snapshot, "t.known_on")}, %(now)s, 'inferred', t.currency,
                v.amount, {self._share("v.amount")}, v.settled_after, t.account_id, %(batch)s, t.id
            FROM import_vanish v JOIN customers_invoice i ON i.company_id = %(company)s
                AND i.source_id = %(source)s AND i.number = v.number AND i.fiscal_year = v.fiscal_year
                AND i.kind = v.kind AND i.superseded_at IS NULL
            JOIN customers_instalment t ON t.invoice_id = i.id AND t.number = v.instalment
            WHERE v.amount > 0 ORDER BY t.id"""
        )
        recount(touched)
        return {"inferred": count, "reopened": len(grown)}

    def _reverse_inferred(self, grown: dict[int, int]) -> list[int]:
        """Take inferred settlements back, newest first; the part still settled is inferred again on its own day."""
        from customers.models import Allocation

        lock_instalments(list(grown))
        on = self.target.snapshot_on
        assert on is not None
        reversals, again = [], []
        found = Allocation.objects.filter(
            instalment__in=list(grown),
            kind=Allocation.Kind.INFERRED,
            amount__gt=0,
            superseded_at__isnull=True,
            reversed_by__isnull=True,
        ).order_by("instalment_id", "-effective_on", "-pk")
        for old in found:
            back = grown[old.instalment_id]
            if back <= 0:
                continue
            day = max(on, old.effective_on)
            same = {
                "kind": old.kind,
                "account_id": old.account_id,
                "instalment_id": old.instalment_id,
                "currency": old.currency,
                "settled_after": old.settled_after,
                "recorded_at": self.now,
                "batch": self.batch,
            }
            whole, account = old.amount.minor, old.account_amount.minor
            reversals.append(
                Allocation(
                    **same,
                    amount=-whole,
                    account_amount=-account,
                    reverses=old,
                    effective_on=day,
                    known_on=max(day, old.known_on),
                )
            )
            kept = whole - min(back, whole)
            if kept:
                again.append(
                    Allocation(
                        **same,
                        amount=kept,
                        account_amount=account * kept // whole,
                        effective_on=day,
                        known_on=max(day, old.known_on),
                    )
                )
            grown[old.instalment_id] -= min(back, whole)
        Allocation.objects.bulk_create(reversals, batch_size=500)
        Allocation.objects.bulk_create(again, batch_size=500)
        return list(grown)

    def recount_stored(self, carried: set[int], carried_payments: set[int]) -> list[Instalment]:
        """Recount what the file settled of documents that were there before, and what corrections moved."""
        by_key = """JOIN customers_invoice i ON i.company_id = %(company)s AND i.source_id = %(source)s
                AND i.number = x.number AND i.fiscal_year = x.fiscal_year AND i.superseded_at IS NULL
            JOIN customers_instalment t ON t.invoice_id = i.id AND t.number = x.instalment"""
        stored = "(i.batch_id IS NULL OR i.batch_id <> %(batch)s OR i.corrects_id IS NOT NULL)"
        touched = rows(
            f"""SELECT t.id FROM import_vanish x {by_key} AND i.kind = x.kind WHERE {stored}
            UNION SELECT t.id FROM import_alloc x {by_key} AND i.kind = 'invoice' WHERE {stored}
            UNION SELECT t.id FROM (SELECT d.number, d.fiscal_year, d.instalment, d.kind FROM import_good d
                JOIN import_match m ON m.number = d.number AND m.fiscal_year = d.fiscal_year
                AND m.kind = d.kind AND m.state = 2) x {by_key} AND i.kind = x.kind
            UNION SELECT a.credit_id FROM customers_allocation a WHERE a.batch_id = %(batch)s
                AND a.credit_id IS NOT NULL""",
            self.params,
        )
        mixed = rows(
            f"""SELECT t.id FROM (SELECT number, fiscal_year, instalment FROM import_alloc
                GROUP BY number, fiscal_year, instalment HAVING COUNT(*) > 1 AND MIN(kind) <> MAX(kind)) x
            {by_key} AND i.kind = 'invoice'""",
            self.params,
        )
        payments = rows(
            """SELECT y.id FROM import_alloc l JOIN import_paymatch m ON m.row_no = l.pay_row
            JOIN import_pay p ON p.row_no = l.pay_row JOIN customers_payment y ON y.company_id = %(company)s
                AND y.source_id = %(source)s AND y.key = p.pay_key AND y.superseded_at IS NULL""",
            self.params,
        )
        ids = {pk for (pk,) in (*touched, *mixed)} | carried
        lock_instalments(ids)
        return recount(ids, {pk for (pk,) in payments} | carried_payments)

    def touched_accounts(self) -> list[int]:
        found = rows(
            """SELECT account_id FROM import_new
            UNION SELECT account_id FROM customers_invoice WHERE delivery_batch_id = %(batch)s
            UNION SELECT account_id FROM customers_payment WHERE batch_id = %(batch)s
            UNION SELECT account_id FROM customers_allocation WHERE batch_id = %(batch)s""",
            self.params,
        )
        return sorted(pk for (pk,) in found)
