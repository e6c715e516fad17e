"""The rows of a generated ledger: what happened to its customers, written as facts."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np

from creditdesk.demo.book import Book

if TYPE_CHECKING:
    from benchmarks.truth import TrueBook

SECTORS = ("F41", "C25", "G46", "I56", "J62")


class Rows:
    """Turns what happened into rows."""

    def __init__(self, truth: TrueBook, book: Book) -> None:
        self.true, self.book, self.last = truth, book, truth.end.toordinal()
        self.rng = np.random.default_rng([truth.seed, 4])
        index = truth.index()
        # How risky a customer is for this book, in standard deviations: what behaviour shows.
        self.shown = (index - index.mean()) / index.std()
        self.columns = {
            label.split(".")[1]: [c for c in table.columns if c != "id"]
            for label, table in book.tables.items()
        }

    def add(self, name: str, on: int | None = None, /, **values: Any) -> int:
        """A row by column name; what is not named is empty (NULL, or "" for the texts below). `on`: its day."""
        if on is not None:
            values |= {"effective_on": _iso(on), "known_on": _iso(on)}
        given = [values.pop(c, "" if c in _TEXTS else None) for c in self.columns[name]]
        if values:
            raise KeyError(f"{name} has no {sorted(values)}")
        return self.book[name].add(*given)

    def tell(self) -> None:
        true = self.true
        self.company = self.add(
            "Company", code=f"true{true.seed}", name="Known truth", country="IT", currency="EUR",
            time_zone="Europe/Rome",
        )  # fmt: skip
        segment = self.add("CreditSegment", company_id=self.company, code="main", name="Main")
        self.source = self.add("Source", company_id=self.company, code="erp", name="ERP", is_ledger=True)
        self.add(
            "ImportBatch",
            source_id=self.source,
            status="committed",
            complete_through=_iso(self.last),
            counts="{}",
        )
        for c in range(true.customers):
            since = true.firsts[true.arrives[c]].toordinal()
            gone = true.insolvent_on.get(c, self.last + 1) <= self.last
            customer = self.add(
                "Customer", code=f"K{true.seed}-{c:05}", name=f"Customer {c}", kind="company", country="IT",
                sector=SECTORS[true.sector[c]], language="it", customer_since=_iso(since),
                status="insolvent" if gone else "active", terms_days=int(true.terms[c]),
            )  # fmt: skip
            account = self.add(
                "CreditAccount",
                customer_id=customer,
                segment_id=segment,
                company_id=self.company,
                currency="EUR",
            )
            if gone:
                on = true.insolvent_on[c]
                self.add("StatusChange", since, customer_id=customer, status="active")
                self.add(
                    "StatusChange", on, customer_id=customer, status="insolvent", reason_code="insolvency"
                )
                self.add("LegalEvent", on, customer_id=customer, kind="insolvency", source="register")
            ended = true.default_on.get(c, self.last + 1)
            for issued, due, amount in true.invoices[c]:
                if issued <= min(ended, self.last):
                    self._invoice(c, account, issued, due, amount)

    def _paid_on(self, c: int, due: int, risk: float) -> int | None:
        """The day an item is paid in full; None: never."""
        true = self.true
        late = true.habit[c] + true.truth.shown_days * np.logaddexp(0, risk) * self.rng.gamma(1.5, 0.6) - 4
        usual = due + int(np.clip(late, -5, 85))
        if c in true.stops_on and due >= true.stops_on[c]:
            return None
        for begin, end, paid in true.recoveries[c]:
            if begin <= due < end:
                usual = max(usual, paid)
        if c in true.insolvent_on and usual >= true.insolvent_on[c]:
            return None
        return usual

    def _invoice(self, c: int, account: int, issued: int, due: int, amount: int) -> None:
        true, day = self.true, date.fromordinal(issued)
        month = (day.year - true.start.year) * 12 + day.month - true.start.month
        risk = float(self.shown[c, month])
        paid = self._paid_on(c, due, risk)
        lost = true.lost_on.get(c) if paid is None else None
        closed = paid if paid is not None else max(lost, issued) if lost is not None else self.last + 1
        is_open = closed > self.last
        money = {"account_id": account, "currency": "EUR", "amount": amount}
        invoice = self.add(
            "Invoice", issued, company_id=self.company, source_id=self.source, fiscal_year=day.year, kind="invoice",
            number=f"F{true.seed}-{account}-{len(self.book['Invoice'].rows)}", **money,
        )  # fmt: skip
        item = self.add(
            "Instalment", issued, invoice_id=invoice, number=1, company_id=self.company, kind="invoice",
            due_on=_iso(due), account_amount=amount, open_amount=amount if is_open else 0,
            settled_on=None if is_open else _iso(closed),
            settled_by="" if is_open else "cash" if paid is not None else "write_off", reopened=False, **money,
        )  # fmt: skip
        if not is_open and paid is not None:
            payment = self.add(
                "Payment", closed, company_id=self.company, source_id=self.source, key=f"P{item}",
                instrument="transfer", open_amount=0, **money,
            )  # fmt: skip
            self.add(
                "Allocation", closed, kind="cash", instalment_id=item, payment_id=payment, account_amount=amount,
                days_late=closed - due, **money,
            )  # fmt: skip
        elif not is_open:
            given_up = self.add("WriteOff", closed, is_small=False, reason_code="bad_debt", **money)
            self.add(
                "Allocation", closed, kind="write_off", instalment_id=item, write_off_id=given_up,
                account_amount=amount, **money,
            )  # fmt: skip
        self._claims(item, issued, due, closed, risk, money)

    def _claims(
        self, item: int, issued: int, due: int, closed: int, risk: float, money: dict[str, Any]
    ) -> None:
        rng, amount = self.rng, money["amount"]
        if rng.random() < share_of(-4.2 + 0.5 * risk):
            raised, over = issued + 5, issued + 5 + int(rng.integers(10, 25))
            if over < min(due, self.last):
                dispute = self.add(
                    "Dispute", raised, reason="price", closed_on=_iso(over), closed_known_on=_iso(over),
                    closed_recorded_at=f"{_iso(over)} 12:00:00+00:00", outcome="rejected", **money,
                )  # fmt: skip
                self.add("DisputeItem", dispute_id=dispute, instalment_id=item, amount=amount)
        given, judged = due + 12, due + 22
        if closed > given and judged <= self.last and rng.random() < 0.35:
            kept = closed <= judged or rng.random() < share_of(1.0 - 0.8 * risk) * 0.5
            status, paid = ("kept", amount) if kept else ("broken", 0)
            promise = self.add(
                "Promise", given, due_on=_iso(given + 7), judged_on=_iso(judged), status=status, kept_amount=paid,
                resolved_on=_iso(judged), **money,
            )  # fmt: skip
            self.add("PromiseItem", promise_id=promise, instalment_id=item, amount=amount)
            self.add(
                "PromiseMove", judged, promise_id=promise, from_status="open", to_status=status, kept_amount=paid,
                reason_code="judged",
            )  # fmt: skip


_TEXTS = frozenset(
    "file_name sha256 city vat_number registration_number lei reason_code link given_by settled_by delivery".split()
)


def share_of(log_odds: Any) -> Any:
    return 1 / (1 + np.exp(-log_odds))


def _iso(day: int) -> str:
    return date.fromordinal(day).isoformat()
