"""One credit account's ledger in memory: the verbs of customers.ledger, on plain integers, for bulk loading.

It follows the same rules (signed allocations, reversals, counters in order of effective date), so that
`check_ledger` finds nothing to say about what it writes. Days are ordinals, amounts minor units. What would be
dated or known after the story's last complete day does not happen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from .book import STAMP
from .days import business_days_after, iso, year_of
from .papers import Cash, Doc, Part, World
from .sending import Sending


@dataclass(slots=True)
class AccountLedger:
    world: World
    account: int
    company: int
    country: str
    source: int
    currency: str
    sending: Sending = field(default_factory=Sending)
    docs: list[Doc] = field(default_factory=list)
    cash: list[Cash] = field(default_factory=list)

    def happens(self, on: int, known: int | None = None) -> bool:
        """Whether something of that day is in the ledger as it stands."""
        return on <= self.world.complete and (known is None or known <= self.world.as_of)

    # Documents

    def post(
        self,
        issued: int,
        terms: Sequence[tuple[int, int]],
        *,
        kind: str = "invoice",
        currency: str | None = None,
        number: str | None = None,
        known: int | None = None,
        corrects: Doc | None = None,
        orderer: int | None = None,
    ) -> Doc:
        """A document with its (due day, amount) instalments."""
        world = self.world
        currency = currency or self.currency
        number = number or world.number("F" if kind == "invoice" else "C", self.company, issued)
        instalments = world.book["Instalment"].ids
        parts = []
        for position, (due, amount) in enumerate(terms, start=1):
            in_account = amount
            if currency != self.currency:
                in_account = _converted(
                    amount, currency, self.currency, world.rate(currency, self.currency, issued)
                )
            parts.append(Part(next(instalments), position, due, amount, in_account, amount))
        doc = Doc(
            next(world.book["Invoice"].ids),
            kind,
            number,
            issued,
            issued if known is None else known,
            currency,
            parts,
            corrects=corrects.id if corrects else None,
            orderer=orderer,
        )
        self.docs.append(doc)
        return doc

    def correct(self, doc: Doc, on: int, terms: Sequence[tuple[int, int]]) -> Doc:
        """Replace a document nothing is applied to by a new version, known from `on` on."""
        if doc.open != doc.amount:
            raise ValueError("Correct a document before anything is applied to it")
        doc.superseded_known = on
        return self.post(
            doc.issued,
            terms,
            kind=doc.kind,
            currency=doc.currency,
            number=doc.number,
            known=max(on, doc.known),
            corrects=doc,
            orderer=doc.orderer,
        )

    # Cash

    def receive(
        self,
        on: int,
        amount: int,
        *,
        known: int | None = None,
        currency: str | None = None,
        instrument: str = "transfer",
        matures: int | None = None,
        safe: int | None = None,
        account: int | None = None,
        key: str | None = None,
        transferred_from: Cash | None = None,
    ) -> Cash:
        world = self.world
        cash = Cash(
            next(world.book["Payment"].ids),
            key or world.number("P", self.company, on),
            self.account if account is None else account,
            on,
            on if known is None else known,
            instrument,
            matures,
            safe,
            currency or self.currency,
            amount,
            amount,
            self.source,
            transferred_from.id if transferred_from else None,
        )
        self.cash.append(cash)
        return cash

    def allocate(self, cash: Cash, part: Part, amount: int, *, on: int | None = None) -> None:
        """Apply cash to an instalment on the day it counts (default: the day it was received)."""
        on = cash.on if on is None else on
        in_account = _share(part, amount)
        pk = self._allocation(
            on,
            max(cash.known, on),
            "cash",
            amount,
            in_account,
            currency=cash.currency,
            part=part,
            cash=cash,
            days_late=on - part.due,
        )
        cash.open -= amount
        cash.applied.append((pk, part, amount, in_account))

    def give_back(self, cash: Cash, on: int, known: int | None = None) -> None:
        """The payment bounced: what it settled is open again, and the payment is used up."""
        known = on if known is None else known
        for pk, part, amount, in_account in cash.applied:
            self._allocation(
                on,
                known,
                "cash",
                -amount,
                -in_account,
                currency=cash.currency,
                part=part,
                cash=cash,
                days_late=cash.on - part.due,
                reverses=pk,
            )
            cash.open += amount
        cash.applied = []
        self._use_up(cash, "returned", cash.open, on, known)

    def refund(self, cash: Cash, amount: int, on: int) -> None:
        self._use_up(cash, "refunded", amount, on, on)

    def move(self, cash: Cash, on: int) -> Cash:
        """Move the rest of a payment booked elsewhere to this account; the original stays dated as it was."""
        amount = cash.open
        self._use_up(cash, "moved", amount, on, on)
        return self.receive(
            on,
            amount,
            currency=cash.currency,
            instrument=cash.instrument,
            key=f"{cash.key}>1",
            transferred_from=cash,
        )

    def _use_up(self, cash: Cash, kind: str, amount: int, on: int, known: int) -> None:
        self._allocation(
            on, known, kind, amount, amount, currency=cash.currency, cash=cash, account=cash.account
        )
        cash.open -= amount

    # Credits and losses

    def credit(self, note: Doc, part: Part, amount: int, on: int) -> None:
        """Apply a credit note's only instalment to an invoice's instalment."""
        source = note.parts[0]
        pk = self._allocation(
            on,
            on,
            "credit",
            amount,
            _share(part, amount),
            currency=note.currency,
            part=part,
            credit=source.id,
        )
        source.open -= amount
        source.moves.append((on, -amount, pk, "credit"))

    def write_off(
        self,
        doc: Doc,
        part: Part,
        amount: int,
        on: int,
        *,
        small: bool,
        reason: str,
        by: int | None = None,
    ) -> None:
        fact = self.world.book["WriteOff"].add(
            iso(on),
            iso(on),
            self.account,
            doc.currency,
            amount,
            small,
            reason,
            by,
            self.world.batch_of(self.company, on),
        )
        self._allocation(
            on,
            on,
            "write_off",
            amount,
            _share(part, amount),
            currency=doc.currency,
            part=part,
            write_off=fact,
        )

    def _allocation(
        self,
        on: int,
        known: int,
        kind: str,
        amount: int,
        in_account: int,
        *,
        currency: str,
        part: Part | None = None,
        cash: Cash | None = None,
        credit: int | None = None,
        write_off: int | None = None,
        days_late: int | None = None,
        reverses: int | None = None,
        account: int | None = None,
    ) -> int:
        pk = self.world.book["Allocation"].add(
            iso(on),
            iso(known),
            kind,
            self.account if account is None else account,
            part.id if part else None,
            cash.id if cash else None,
            credit,
            write_off,
            currency,
            amount,
            in_account,
            days_late,
            None,
            reverses,
            self.world.batch_of(self.company, known),
        )
        if part is not None:
            part.open -= amount
            part.moves.append((on, -amount, pk, kind))
        return pk

    # Claims

    def dispute(
        self,
        doc: Doc,
        parts: Sequence[tuple[Part, int]],
        on: int,
        *,
        reason: str,
        by: int | None = None,
        answer_by: int | None = None,
        closed: int | None = None,
        outcome: str = "",
    ) -> None:
        """A complaint about parts of one document; closed only when that day has come."""
        if closed is not None and not self.happens(closed):
            closed, outcome = None, ""
        pk = self.world.book["Dispute"].add(
            iso(on),
            iso(on),
            self.account,
            reason,
            doc.currency,
            sum(amount for _part, amount in parts),
            by,
            iso(answer_by) if answer_by else None,
            iso(closed) if closed else None,
            iso(closed) if closed else None,
            STAMP if closed else None,
            outcome if closed else "",
            None,
        )
        for part, amount in parts:
            self.world.book["DisputeItem"].add(pk, part.id, amount)

    def promise(
        self,
        parts: Sequence[tuple[Part, int]],
        given: int,
        due: int,
        *,
        by: int | None,
        given_by: str = "",
        currency: str | None = None,
    ) -> str:
        """Record a promise and, as far as the ledger reaches, how it ended. Call it after the cash is booked.

        The end is what customers.promises.settle_promises would find; known on the first day it could judge.
        """
        judged = business_days_after(due, 2, self.country)
        status, kept, resolved, known = self._judged(parts, given, judged)
        book, total = self.world.book, sum(amount for _part, amount in parts)
        pk = book["Promise"].add(
            iso(given),
            iso(given),
            self.account,
            currency or self.currency,
            total,
            iso(due),
            iso(judged),
            given_by,
            by,
            status,
            kept,
            iso(resolved) if resolved else None,
            None,
            None,
        )
        for part, amount in parts:
            book["PromiseItem"].add(pk, part.id, amount)
        if resolved and known:
            book["PromiseMove"].add(iso(resolved), iso(known), pk, "open", status, kept, None, "judged")
        return status

    def _judged(
        self, parts: Sequence[tuple[Part, int]], given: int, judged: int
    ) -> tuple[str, int, int | None, int | None]:
        total = sum(amount for _part, amount in parts)
        cash: list[tuple[int, int, int]] = []
        for part, limit in parts:
            running = 0
            for on, minus, pk, kind in sorted(part.moves, key=lambda move: (move[0], move[2])):
                if kind != "cash" or on < given or (minus < 0 and on > judged):
                    continue
                before = min(running, limit)
                running -= minus
                cash.append((on, pk, min(running, limit) - before))
        kept, reached = 0, None
        for on, _pk, amount in sorted(cash):
            kept += amount
            if kept >= total and reached is None:
                reached = on
            elif kept < total:
                reached = None
        kept = max(kept, 0)
        if reached is not None:
            return "kept", kept, reached, business_days_after(reached, 1, self.country)
        if judged > self.world.complete:
            return "open", kept, None, None
        return "partly_kept" if kept else "broken", kept, judged, business_days_after(judged, 1, self.country)

    # The end

    def close(self) -> None:
        """Write documents and payments with their counters as they ended up."""
        invoices, instalments = self.world.book["Invoice"].rows, self.world.book["Instalment"].rows
        for doc in self.docs:
            issued, known = iso(doc.issued), iso(doc.known)
            until = iso(doc.superseded_known) if doc.superseded_known else None
            gone = STAMP if doc.superseded_known else None
            invoices.append(
                (
                    *(doc.id, issued, known, until, gone, self.company, self.source, doc.number),
                    *(year_of(doc.issued), doc.kind, self.account, doc.orderer, doc.currency, doc.amount),
                    *(
                        doc.corrects,
                        self.world.batch_of(self.company, doc.known),
                        self.sending.on(doc.issued),
                    ),
                )
            )
            for part in doc.parts:
                settled, by, reopened = _settlement(part)
                instalments.append(
                    (
                        *(part.id, issued, known, until, gone, doc.id, part.number, self.company),
                        *(self.account, doc.kind, iso(part.due), doc.currency, part.amount),
                        *(part.account_amount, part.open, iso(settled) if settled else None, by),
                        *(None, reopened),
                    )
                )
        payments = self.world.book["Payment"].rows
        for cash in self.cash:
            payments.append(
                (
                    *(cash.id, iso(cash.on), iso(cash.known), self.company, cash.source, cash.key),
                    *(cash.account, cash.instrument, iso(cash.matures) if cash.matures else None),
                    *(iso(cash.safe) if cash.safe else None, cash.currency, cash.amount, cash.open),
                    *(cash.transferred_from, self.world.batch_of(self.company, cash.known)),
                )
            )


def _converted(amount: int, base: str, quote: str, rate: Decimal) -> int:
    from creditdesk.core.money import round_minor, to_decimal

    return round_minor(to_decimal(amount, base) * rate, quote)


def _share(part: Part, amount: int) -> int:
    """`amount` of the part in the account's currency, at its document's rate."""
    if part.account_amount == part.amount:
        return amount
    return int((Decimal(amount) * part.account_amount / part.amount).to_integral_value())


def _settlement(part: Part) -> tuple[int | None, str, bool]:
    """settled_on, settled_by and reopened, as customers.ledger.counters finds them."""
    if len(part.moves) == 1:
        on, minus, _pk, kind = part.moves[0]
        return (on, kind, False) if part.open == 0 else (None, "", minus > 0)
    rest, settled, by, reopened = part.amount, None, "", False
    for on, minus, _pk, kind in sorted(part.moves):
        rest += minus
        settled, by = (on, kind) if rest == 0 else (None, "")
        reopened = reopened or minus > 0
    return settled, by, reopened
