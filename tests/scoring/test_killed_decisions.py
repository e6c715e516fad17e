"""Killing the process at any point leaves no half-applied change: an approval, a cut, a decision, a reservation, a mail.

Each act runs in a real process that is killed after its first write, then after its second, and so on, until it takes
effect; then once more. tests/scoring/killing.py says how.
"""

from datetime import date, timedelta

import pytest
from django.conf import settings as project
from django.db import transaction
from django.utils import timezone
from django_q.models import OrmQ

from creditdesk.api.models import IdempotentAnswer
from creditdesk.core import notices, staff_mail
from creditdesk.core.audit import Actor
from creditdesk.core.models import AuditChange, AuditEntry, Notice, NoticeCopy, StaffMail, User
from creditdesk.core.money import Money
from customers.approval import approve_limit_change, propose_limit_change
from customers.holds import place_hold
from customers.limits import limit_at
from customers.models import (
    CreditHold,
    CreditLimit,
    ImportBatch,
    LimitChange,
    LimitDecision,
    OpenOrder,
    OrderHold,
    Reservation,
)
from customers.notices import tell_order_held
from scoring.default_card import ensure_default_card
from scoring.default_checks import ensure_default_checks
from scoring.default_policy import ensure_default_policy
from scoring.default_terms import ensure_default_terms
from scoring.default_thin_card import ensure_thin_card
from scoring.engine import rescore
from scoring.models import AccountScore, CreditCause, Decision, DirtyAccount, ScoreHistory
from scoring.tasks import rescore_dirty
from tests.api.conftest import Caller, euro, key_for
from tests.factories import ACTOR, invoice
from tests.people import make_cast
from tests.scoring.killing import in_a_process, kill_everywhere, sizes
from tests.scoring.test_automatic_limits import LATE, own_policy
from tests.scoring.test_limit_proposals import give_limit, trade

pytestmark = pytest.mark.django_db(transaction=True)
DAY = date(2026, 3, 2)
TABLES = (
    *(
        LimitChange,
        LimitDecision,
        CreditLimit,
        CreditHold,
        OrderHold,
        CreditCause,
        AccountScore,
        ScoreHistory,
    ),
    *(DirtyAccount, Decision, Reservation, IdempotentAnswer, AuditEntry, AuditChange, Notice, OrmQ),
)


@pytest.fixture
def book(settings):
    """Customer C-1 with a year of trade, a limit of 50,000, and an item that is due since long on `DAY`."""
    settings.BUSINESS_DATE = DAY
    for ensure in (ensure_default_card, ensure_thin_card, ensure_default_policy, ensure_default_terms):
        ensure()
    ensure_default_checks()
    cast = make_cast()
    with transaction.atomic():
        ImportBatch.objects.create(source=cast.company.sources.get(), complete_through=DAY)
        trade(cast.account, months=1)
        give_limit(cast.account, 50_000)
        rescore(DAY)
    cast.account.customer.code = "C-1"
    cast.account.customer.save()
    User.objects.filter(pk=cast.controller.pk).update(email="carla@x.example")
    OrmQ.objects.all().delete()
    return cast


def rehearse(act):
    """Once in this process, and taken back: what is imported or kept in memory at first is not done in every child."""
    with transaction.atomic():
        act()
        transaction.set_rollback(True)


def everything():
    status = LimitChange.objects.order_by("pk").values_list("status", flat=True)
    return sizes(TABLES), tuple(status)


def grown(before, after):
    """Rows more per table, by name; those that did not change are left out."""
    more = zip(TABLES, before[0], after[0], strict=True)
    return {model.__name__: new - old for model, old, new in more if new != old}


def test_an_approval_moves_the_limit_with_its_trail_or_not_at_all(book):
    change = propose_limit_change(
        book.account,
        Money.of(60_000, "EUR"),
        actor=Actor.person(book.controller),
        as_of=DAY,
        reason_code="customer_request",
        evidence={"grade": "A"},
    )
    place_hold(book.account, reason_code="person", actor=ACTOR, on=DAY)
    CreditHold.objects.update(change=change)

    def approve():
        approve_limit_change(change, approver=book.approver, reason="agreed", on=DAY, grade_now="A")

    rehearse(approve)
    before = everything()
    after, kills = kill_everywhere(approve, everything)
    rows = grown(before, after)
    # The score that decided is kept, the hold released with the decision, both in the trail.
    assert (rows["LimitDecision"], rows["CreditLimit"], rows["AuditEntry"]) == (1, 1, 2)
    change.refresh_from_db()
    assert (change.status, limit_at(book.account, DAY).base) == ("applied", Money.of(60_000, "EUR"))
    assert CreditHold.objects.get().released_by == book.approver
    assert kills >= 6


def test_a_cut_comes_with_its_cause_its_holds_and_who_is_told_or_not_at_all(book):
    own_policy(book.account.segment, LATE)
    for number in range(2):
        OpenOrder.objects.create(
            account=book.account, number=f"O-{number}", expected_on=DAY + timedelta(days=9), currency="EUR",
            amount=9_900, effective_on=DAY, known_on=DAY,
        )  # fmt: skip
    invoice(book.account, "1500", DAY - timedelta(days=61))  # marks the account: it is rescored
    OrmQ.objects.all().delete()
    rehearse(rescore_dirty)
    before = everything()
    after, kills = kill_everywhere(rescore_dirty, everything)
    rows = grown(before, after)
    assert {name: rows.get(name) for name in ("CreditCause", "LimitChange", "CreditLimit", "OrderHold")} == {
        "CreditCause": 1,
        "LimitChange": 1,
        "CreditLimit": 1,
        "OrderHold": 2,
    }
    assert (rows["Notice"], rows["DirtyAccount"] < 0) == (3, True)
    assert {row.task["func"] for row in OrmQ.objects.all()} == {
        "creditdesk.core.tasks.address_notices",
        "worklists.tasks.follow_ledger",
    }
    cause = CreditCause.objects.get()
    assert cause.stops_business and limit_at(book.account, DAY).in_force == Money.zero("EUR")
    acts = AuditEntry.objects.filter(
        act__in=("limit.cut_at_once", "credit_cause.record", "order_hold.place", "score.rescored")
    )
    assert acts.count() == 5
    assert kills >= 15, kills


def test_a_decision_and_a_reservation_asked_for_over_the_api_are_answered_and_kept_or_neither(book):
    caller = Caller(key_for(book.integration)[1])
    body = {"customer": "C-1", "amount": euro("5000")}
    # What is imported and kept in memory at the first request is not the matter of the killed ones.
    caller.post("decisions", body, "first")
    caller.post("credit-checks", body, "first-check")

    def decide():
        assert caller.post("decisions", body | {"terms_days": 30}, "decide-1").status_code == 201

    before = everything()
    after, kills = kill_everywhere(decide, everything)
    assert (grown(before, after)["Decision"], grown(before, after)["IdempotentAnswer"]) == (1, 1)
    assert kills >= 4

    def reserve():
        assert (
            caller.post("credit-checks", body | {"reserve": {"reference": "SO-1"}}, "r-1").status_code < 300
        )

    before = everything()
    after, kills = kill_everywhere(reserve, everything)
    rows = grown(before, after)
    assert (rows["Reservation"], rows["IdempotentAnswer"], rows["AuditEntry"]) == (1, 1, 1)
    assert kills >= 3
    again = caller.post("decisions", body | {"terms_days": 30}, "decide-1")
    assert (again.status_code, again["Idempotency-Replayed"]) == (201, "true")


def test_a_mail_to_staff_is_written_once_and_leaves_at_most_once(book, settings, tmp_path):
    """What was told is never lost and never told twice; a mail whose sender was killed waits for a person."""
    settings.EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    settings.EMAIL_FILE_PATH = str(tmp_path)
    assert str(tmp_path) == project.EMAIL_FILE_PATH
    seen = set()

    def work():
        notices.address(DAY)
        for pk in StaffMail.objects.filter(state="queued").values_list("pk", flat=True):
            staff_mail.send(pk)

    def held(n):
        values = {"point": "order", "cause": "check", "currency": "EUR", "amount": 100, "placed_on": DAY}
        values |= {"placed_by": book.controller, "placed_by_name": "carla", "decide_by": DAY}
        hold = OrderHold.objects.create(account=book.account, order_number=f"O-{n}", **values)
        tell_order_held(hold, DAY)
        return hold

    rehearse(lambda: (held(0), notices.address(DAY)))
    for n in range(1, 40):
        with transaction.atomic():
            hold = held(n)
        ended = in_a_process(work, killed_after=n)
        in_a_process(work)
        mail = StaffMail.objects.get(copies__notice__key=f"order hold:{hold.pk}")
        left = sum(f"Order O-{n} of" in file.read_text() for file in tmp_path.iterdir())
        assert (mail.state, left) in {("sent", 1), ("sending", 0), ("sending", 1)}
        seen.add((mail.state, left))
        if ended:
            break
    assert NoticeCopy.objects.count() == StaffMail.objects.count() == Notice.objects.count() == n
    # Killed after it was claimed, and after it was handed over but not yet noted: both are in doubt.
    assert seen >= {("sent", 1), ("sending", 0)}
    StaffMail.objects.filter(state="sending").update(claimed_at=timezone.now() - timedelta(hours=1))
    assert staff_mail.in_doubt(timezone.now()).exists()
