"""From a loaded story to a desk at work: scores with their history, the latest events, proposals, worklists.

Everything here goes through the product's own verbs and may be run again: it then changes nothing.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

from creditdesk.core.audit import Actor
from creditdesk.core.models import User
from creditdesk.core.money import Money
from customers.applications import Prospect, Wish, receive_from_prospect
from customers.approval import propose_limit_change
from customers.legal import record_legal_event
from customers.limits import limit_at
from customers.models import (
    CreditAccount,
    CreditApplication,
    CreditSegment,
    Customer,
    FinancialStatement,
    LegalEvent,
    LimitChange,
)
from scoring.engine import rescore
from scoring.models import LimitReview, ScoreHistory
from scoring.onboarding.assessing import assess
from scoring.peers import store_peer_figures
from scoring.proposals import evidence_of, propose_limits
from scoring.reviews import overdue_reviews
from scoring.statement import Scope
from worklists.runs import build_worklists

from .cards import propose_calibrated_card
from .characters import character_code
from .days import business_days_after, previous_business_day
from .invoices import learn_invoice_card
from .orders import take_in_orders
from .policies import adopt_own_policy, propose_next_policy, react
from .progress import Console

HISTORY_MONTHS = 23
HISTORY_UP_TO = 5000


def prepare(as_of: date, console: Console) -> None:
    """Score everyone, propose limit changes, build the worklists of a loaded story."""
    console.step("taking in credit applications")
    take_in_applications(as_of)
    console.step("scoring everyone")
    store_peer_figures(as_of - timedelta(days=1))
    rescore(as_of)
    past_reviews(as_of)
    console.step("looking for causes of cuts")
    adopt_own_policy(as_of)
    react(as_of)
    propose_for_the_grower(as_of)
    console.step("proposing limit changes")
    propose_limits(as_of)
    console.step("taking in orders")
    take_in_orders(as_of)
    console.step("simulating the next limit policy")
    propose_next_policy(as_of)
    if CreditAccount.objects.count() <= HISTORY_UP_TO:
        console.step("learning when invoices are paid")
        learn_invoice_card(as_of)
    console.step("calibrating the scorecard")
    propose_calibrated_card(as_of)
    console.step("building today's worklists")
    build_worklists(as_of)


def bring_up_to_date(as_of: date, console: Console) -> None:
    """What happened to the story's customers after its ledger was written: past scores and the latest events."""
    score_history(as_of, console)
    latest_events(as_of)


def score_history(as_of: date, console: Console) -> None:
    """The score of every past month-end, for the lines on the customer page; only in a book without any.

    Who was no customer yet is not scored. A large book goes without: its nights will make the history.
    """
    since = dict(CreditAccount.objects.values_list("pk", "customer__customer_since"))
    if len(since) > HISTORY_UP_TO or ScoreHistory.objects.exists():
        return
    console.step(f"scoring the last {HISTORY_MONTHS} month-ends")
    for number, day in enumerate(month_ends(as_of, HISTORY_MONTHS), start=1):
        rescore(day, Scope.of([pk for pk, first in since.items() if first is None or first <= day]))
        console(f"{day:%b %Y} ({number} of {HISTORY_MONTHS})")


def latest_events(as_of: date) -> None:
    """The two insolvencies of the story: a company's limit is cut at once, a sole trader's waits for a person."""
    controller = Actor.person(User.objects.get(username="carla"))
    for key, days_ago, days_to_hear, source in (
        ("collapse", 12, 3, "Tribunale di Bologna"),
        ("sole_trader", 7, 3, "Tribunale di Lucca"),
    ):
        opened = as_of.toordinal()
        for _day in range(days_ago):
            opened = previous_business_day(opened, "IT")
        record_legal_event(
            Customer.objects.get(code=character_code(key)),
            LegalEvent.Kind.INSOLVENCY,
            effective_on=date.fromordinal(opened),
            known_on=date.fromordinal(business_days_after(opened, days_to_hear, "IT")),
            source=source,
            actor=controller,
        )


def past_reviews(as_of: date) -> None:
    """The yearly rounds of the past, once: most limits were confirmed within their term, one in thirty was forgotten."""
    if LimitReview.objects.exists():
        return
    carla = User.objects.get(username="carla")
    made = []
    for account in overdue_reviews(CreditAccount.objects.all(), as_of):
        if account.pk % 30 == 0:
            continue
        span = (as_of - account.cutoff).days
        # A step prime to every span spreads the reviews evenly; the first days of a span fall due within weeks.
        on = previous_business_day(account.cutoff.toordinal() + 4 + account.pk * 97 % (span - 4), "IT")
        day = date.fromordinal(on)
        made.append(
            LimitReview(
                account=account,
                currency=account.currency,
                limit=account.limit_minor,
                reviewed_on=day,
                at=datetime.combine(day, time(9), tzinfo=UTC),
                by=carla,
                note="Pays as before, nothing known against it.",
            )
        )
    LimitReview.objects.bulk_create(made)


def propose_for_the_grower(as_of: date) -> None:
    """The controller's own proposal, once: the fast grower needs room."""
    account = CreditAccount.objects.select_related("customer").get(customer__code=character_code("grower"))
    base = limit_at(account, as_of).base
    if base is None or LimitChange.objects.filter(account=account, as_of=as_of).exists():
        return
    propose_limit_change(
        account,
        Money(base.minor * 3 // 2, base.currency),
        actor=Actor.person(User.objects.get(username="carla")),
        as_of=as_of,
        reason_code="growing_business",
        comment="Orders doubled within a year, always paid on time.",
        evidence=evidence_of(account, as_of),
    )


def month_ends(as_of: date, months: int) -> list[date]:
    """The last `months` month-ends before `as_of`, oldest first."""
    days: list[date] = []
    day = as_of.replace(day=1) - timedelta(days=1)
    while len(days) < months:
        days.append(day)
        day = day.replace(day=1) - timedelta(days=1)
    return days[::-1]


def take_in_applications(as_of: date) -> None:
    """Two prospects ask for credit, once: a company with its accounts on file, and a sole trader just arrived."""
    if CreditApplication.objects.exists():
        return
    carla = Actor.person(User.objects.get(username="carla"))
    segment = CreditSegment.objects.filter(company__country="IT").order_by("pk").first()
    if segment is None:
        return
    currency = segment.company.currency
    company = receive_from_prospect(
        Prospect(
            name="Officine Valtrompia Srl",
            country="IT",
            city="Brescia",
            registration_number="BS-512340",
            sector="25.62",
            language="it",
            founded_on=date(as_of.year - 11, 3, 2),
            stands_alone=True,
        ),
        segment,
        Wish(
            Money.of(40_000, currency),
            60,
            Money.of(240_000, currency),
            "Elena Gatti",
            note="Met at the fair.",
        ),
        actor=carla,
        on=as_of,
    )
    FinancialStatement.objects.create(
        customer=company.account.customer,
        currency=currency,
        effective_on=date(as_of.year - 1, 12, 31),
        known_on=as_of,
        source="Bilancio",
        **ACCOUNTS,
    )
    assess(company, as_of=as_of, actor=carla)
    receive_from_prospect(
        Prospect(
            name="Piazza Legnami di M. Piazza", kind="sole_trader", country="IT", city="Lecco", language="it"
        ),
        segment,
        Wish(Money.of(6_000, currency), 30, note="By telephone; documents follow."),
        actor=carla,
        on=as_of,
    )


# In cents, like every amount of the ledger.
ACCOUNTS = {
    "total_assets": 184_000_000,
    "current_assets": 96_000_000,
    "current_liabilities": 61_000_000,
    "total_liabilities": 118_000_000,
    "equity": 66_000_000,
    "retained_earnings": 31_000_000,
    "revenue": 242_000_000,
    "ebit": 17_500_000,
    "net_income": 10_400_000,
}
