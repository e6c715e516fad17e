"""How much a score stands on: the six questions of the completeness grid, the depth letter, the age of each input.

Six yes/no questions about what is known of a customer on a day. Up to two yes: too little to decide on, a person
does; three or four: partial, ask for more; five or six: reliable. Set-based, for one account or a page of them.

A credit agency's report asks no question of its own, for nobody has to buy any. An agency that knows the customer
identifies it in the registers, and in the depth letter a fresh rating stands for annual accounts nobody has seen: the
agency has read what is published. Where no agency was asked by then, the grid of any day is what it always was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.db.models import Count, Max, Min, Q, Value
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from creditdesk.core.facts import CURRENT, View
from creditdesk.core.wording import day
from customers.bank.consents import accounts_read
from customers.bureau.bases import without_basis
from customers.completeness import complete_through_all
from customers.models import (
    BankTransaction,
    BureauReport,
    CreditAccount,
    FinancialStatement,
    GroupMembership,
    Instalment,
    LegalEvent,
)
from scoring.families.bureau import VALID_DAYS

BANK_DAYS, BANK_FRESH = 90, timedelta(days=45)
STATEMENT_FRESH = timedelta(days=548)
LEDGER_FRESH = timedelta(days=7)
AGENCY_COUNTS, AGENCY_FRESH = timedelta(days=VALID_DAYS), timedelta(days=365)
YEAR = timedelta(days=365)

QUESTIONS = {
    "payments": gettext_lazy("Is there enough payment history with us?"),
    "bank": gettext_lazy("Do we see its bank flows, with its consent?"),
    "accounts": gettext_lazy("Do we know its annual accounts?"),
    "registers": gettext_lazy("Is it identified in the registers?"),
    "group": gettext_lazy("Do we know whose group it belongs to, or that it stands alone?"),
    "sector": gettext_lazy("Do we know its sector?"),
    "agencies": gettext_lazy("Credit agencies (no question of the six)"),
}
WEIGHTS = {"payments": 3, "bank": 3, "accounts": 2, "registers": 1, "group": 1, "sector": 1}
LETTERS = ((9, "A"), (7, "B"), (5, "C"), (4, "D"), (3, "E"), (1, "F"))


@dataclass(frozen=True, slots=True)
class Answer:
    """One question. newest: the day the input speaks of last (None: there is none, or it has no date).

    fresh: not older than its family allows; None where age does not matter.
    """

    code: str
    is_known: bool
    newest: date | None
    fresh: bool | None
    told: str

    @property
    def question(self) -> str:
        return str(QUESTIONS[self.code])


@dataclass(frozen=True, slots=True)
class Completeness:
    """The grid of one account at a date. agencies: what they told within 24 months, if one was asked at all."""

    as_of: date
    answers: tuple[Answer, ...]
    agencies: Answer | None = None

    @property
    def known(self) -> int:
        return sum(answer.is_known for answer in self.answers)

    @property
    def verdict(self) -> str:
        """ "insufficient" (0-2 yes), "partial" (3-4) or "reliable" (5-6)."""
        return "insufficient" if self.known <= 2 else "partial" if self.known <= 4 else "reliable"

    @property
    def verdict_label(self) -> str:
        return {
            "insufficient": _("too little is known: a person decides"),
            "partial": _("partly known: ask for more"),
            "reliable": _("well known"),
        }[self.verdict]

    @property
    def letter(self) -> str:
        """A (everything weighty is known) to G (nothing is), weighted by what an input usually tells."""
        known = {answer.code for answer in self.answers if answer.is_known}
        if self.agencies is not None and self.agencies.is_known:
            known.add("accounts")
        weight = sum(WEIGHTS[code] for code in known)
        return next((letter for least, letter in LETTERS if weight >= least), "G")

    @property
    def missing(self) -> tuple[Answer, ...]:
        return tuple(answer for answer in self.answers if not answer.is_known)


def completeness(
    accounts: Sequence[CreditAccount], as_of: date, view: View = CURRENT, *, enough_due: int = 4
) -> dict[int, Completeness]:
    """The grid of each account. Accounts need `customer` loaded; five queries however many there are,
    one more where a natural person is among them.

    enough_due: instalments that must have fallen due within 12 months (the card's `thin_below`).
    """
    customers = {account.customer_id for account in accounts}
    through = complete_through_all(list({account.company_id for account in accounts}))
    due = _due(accounts, through, as_of, view)
    bank = _bank(customers, as_of, view)
    statements, legal, grouped = _newest(
        (FinancialStatement, LegalEvent, GroupMembership), customers, as_of, view
    )
    persons = {account.customer_id for account in accounts if account.customer.is_natural_person}
    unheard = without_basis(persons, as_of, view) if persons else set()
    agencies = _agencies(customers - unheard, as_of, view)
    found = {}
    for account in accounts:
        customer = account.customer
        found[account.pk] = Completeness(
            as_of,
            (
                _payments(due.get(account.pk, 0), through.get(account.company_id), as_of, enough_due),
                _bank_answer(bank.get(customer.pk), as_of),
                _accounts(statements.get(customer.pk), as_of),
                _registers(customer, legal.get(customer.pk), agencies.get(customer.pk)),
                _group(customer, grouped.get(customer.pk)),
                _sector(customer),
            ),
            _agency_answer(agencies.get(customer.pk), as_of),
        )
    return found


def _due(
    accounts: Sequence[CreditAccount], through: dict[int, date | None], as_of: date, view: View
) -> dict[int, int]:
    """Instalments fallen due in the year the score judges: it ends where the company's ledger does."""
    judged = Q(pk__in=())
    for company, last in through.items():
        if last is not None:
            end = min(last, as_of)
            judged |= Q(account__company=company, due_on__lt=end, due_on__gte=end - YEAR)
    ids = [account.pk for account in accounts]
    rows = Instalment.objects.filter(
        view.q(), judged, account__in=ids, kind="invoice", effective_on__lte=as_of
    )
    return dict(rows.order_by().values("account").annotate(n=Count("pk")).values_list("account", "n"))


def _bank(customers: set[int], as_of: date, view: View) -> dict[int, tuple[date, date]]:
    rows = BankTransaction.objects.filter(
        view.q(),
        bank_account__in=accounts_read(as_of, view),
        bank_account__customer__in=customers,
        effective_on__lte=as_of,
    )
    spans = (
        rows.order_by()
        .values("bank_account__customer")
        .annotate(first=Min("effective_on"), last=Max("effective_on"))
    )
    return {row["bank_account__customer"]: (row["first"], row["last"]) for row in spans}


def _newest(models: Sequence[Any], customers: set[int], as_of: date, view: View) -> list[dict[int, date]]:
    """Per model the newest day each customer's facts speak of; one query for all of them."""
    known = Q(customer__in=customers, effective_on__lte=as_of)
    if view.known_at is None:
        known &= Q(known_on__lte=as_of)
    parts = [
        model.objects.filter(view.q(), known)
        .order_by()
        .values("customer")
        .annotate(day=Max("effective_on"), place=Value(place))
        .values_list("place", "customer", "day")
        for place, model in enumerate(models)
    ]
    found: list[dict[int, date]] = [{} for _model in models]
    for place, customer, day_ in parts[0].union(*parts[1:], all=True):
        found[place][customer] = day_
    return found


@dataclass(frozen=True, slots=True)
class _Told:
    """When an agency last answered, last knew the customer, last rated it."""

    answered: date
    knew: date | None
    rated: date | None


def _agencies(customers: set[int], as_of: date, view: View) -> dict[int, _Told]:
    known = Q(customer__in=customers, effective_on__lte=as_of, effective_on__gt=as_of - AGENCY_COUNTS)
    if view.known_at is None:
        known &= Q(known_on__lte=as_of)
    outcome = BureauReport.Outcome
    rows = (
        BureauReport.objects.filter(view.q(), known)
        .order_by()
        .values("customer")
        .annotate(
            answered=Max("effective_on"),
            knew=Max("effective_on", filter=~Q(outcome=outcome.NOT_FOUND)),
            rated=Max("effective_on", filter=Q(outcome=outcome.RATED)),
        )
    )
    return {row.pop("customer"): _Told(**row) for row in rows}


def _agency_answer(told: _Told | None, as_of: date) -> Answer | None:
    if told is None:
        return None
    if told.rated is not None:
        fresh = told.rated > as_of - AGENCY_FRESH
        text = _("Rated on %(day)s; counts for 24 months, fresh for 12.") % {"day": day(told.rated)}
        return Answer("agencies", fresh, told.rated, fresh, text)
    if told.knew is not None:
        return Answer("agencies", False, told.knew, None, _("Known to an agency, which does not rate it."))
    return Answer("agencies", False, told.answered, None, _("The agencies asked do not know it."))


def _payments(due: int, through: date | None, as_of: date, enough: int) -> Answer:
    told = ngettext(
        "%(n)s instalment fell due in 12 months; %(enough)s are enough.",
        "%(n)s instalments fell due in 12 months; %(enough)s are enough.",
        due,
    ) % {"n": due, "enough": enough}
    fresh = through is not None and through >= as_of - LEDGER_FRESH
    return Answer("payments", due >= enough, through, fresh, told)


def _bank_answer(span: tuple[date, date] | None, as_of: date) -> Answer:
    if span is None:
        return Answer("bank", False, None, None, _("No bank lines, or no consent in force."))
    first, last = span
    days = (last - first).days + 1
    fresh = last >= as_of - BANK_FRESH
    told = _("%(days)s days of bank lines; %(enough)s are enough, the last not older than %(age)s days.") % {
        "days": days,
        "enough": BANK_DAYS,
        "age": BANK_FRESH.days,
    }
    return Answer("bank", days >= BANK_DAYS and fresh, last, fresh, told)


def _accounts(newest: date | None, as_of: date) -> Answer:
    if newest is None:
        return Answer("accounts", False, None, None, _("No annual accounts are known."))
    fresh = newest >= as_of - STATEMENT_FRESH
    told = _("The newest must not be older than %s months.") % 18
    return Answer("accounts", fresh, newest, fresh, told)


def _registers(customer: Any, newest: date | None, agencies: _Told | None) -> Answer:
    by_number = bool(customer.vat_number or customer.registration_number or customer.lei)
    knew = agencies.knew if agencies else None
    if by_number:
        told = _("By its VAT, registration or LEI number.")
    elif knew is not None:
        told = _("By a credit agency, on %s.") % day(knew)
    else:
        told = _("No VAT, registration or LEI number is recorded.")
    newest = max((one for one in (newest, knew) if one is not None), default=None)
    return Answer("registers", by_number or knew is not None, newest, None, told)


def _group(customer: Any, newest: date | None) -> Answer:
    known = customer.parent_id is not None or newest is not None
    told = (
        _("Recorded.")
        if known
        else _("Record its group parent, or that it has none, on the customer's record.")
    )
    return Answer("group", known, newest, None, told)


def _sector(customer: Any) -> Answer:
    told = customer.sector or _("No NACE sector is recorded.")
    return Answer("sector", bool(customer.sector), None, None, told)
