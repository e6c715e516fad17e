"""Overlapping passes over the book, payments, cuts and decisions at the same moment: no deadlock, nothing lost.

Real threads and commits on PostgreSQL; on SQLite writers come one after the other at the file.
"""

from datetime import date, timedelta

import pytest
from django.core import mail
from django.db import connection, transaction

from creditdesk.core.audit import Actor
from creditdesk.core.models import AuditEntry, Notice, NoticeCopy, StaffMail, User
from creditdesk.core.money import Money
from creditdesk.core.notices import address
from creditdesk.core.staff_mail import send
from customers.approval import approve_limit_change, propose_limit_change
from customers.ledger.checking import check_ledger
from customers.legal import record_legal_event
from customers.limits import limits_at
from customers.models import ImportBatch, Instalment
from scoring.default_card import ensure_default_card
from scoring.default_checks import ensure_default_checks
from scoring.default_policy import ensure_default_policy
from scoring.default_thin_card import ensure_thin_card
from scoring.engine import rescore
from scoring.models import AccountScore, CreditCause, DirtyAccount
from scoring.statement import Scope
from scoring.tasks import rescore_dirty, score_accounts
from tests.customers.limits.test_concurrency import together
from tests.factories import ACTOR, invoice, make_account, pay
from tests.people import make_cast
from tests.scoring.test_automatic_limits import LATE, own_policy
from tests.scoring.test_killed_workers import contents
from tests.scoring.test_limit_proposals import give_limit

DAY = date(2026, 3, 2)
ROUNDS = 3


@pytest.mark.django_db(transaction=True)
def test_passes_payments_cuts_and_decisions_at_once(settings):
    if connection.vendor != "postgresql":
        pytest.skip("writers queue up at SQLite's file: there are no two locks to wait for")
    settings.BUSINESS_DATE = DAY
    for ensure in (ensure_default_card, ensure_thin_card, ensure_default_policy, ensure_default_checks):
        ensure()
    cast = make_cast()
    with transaction.atomic():
        ImportBatch.objects.create(source=cast.company.sources.get(), complete_through=DAY)
        accounts = [make_account(cast.company, portfolio=cast.portfolio) for _ in range(3 * ROUNDS)]
        own_policy(accounts[0].segment, LATE)
        for account in accounts:
            give_limit(account, 50_000)
    ids = [account.pk for account in accounts]
    middle = ids[len(ids) // 2]
    actor = Actor.job("pass")
    for number in range(ROUNDS):
        # Late enough to be cut by whoever rescores it; paid in part at the same moment; a rise decided; an insolvency.
        cut, risen, broken = accounts[3 * number : 3 * number + 3]
        late = invoice(cut, "3000", DAY - timedelta(days=61))
        paid = invoice(risen, "900", DAY - timedelta(days=40))
        change = propose_limit_change(
            risen, Money.of(60_000, "EUR"), actor=Actor.person(cast.controller), as_of=DAY,
            reason_code="customer_request", evidence={"grade": "A"},
        )  # fmt: skip
        acts = (
            lambda: score_accounts(DAY, ids[0], middle, actor=actor),
            lambda: score_accounts(DAY, ids[1], ids[-1], actor=actor),
            rescore_dirty,
            lambda row=late: pay(row, DAY, "100"),
            lambda row=paid: pay(row, DAY, "300"),
            lambda row=change: approve_limit_change(row, approver=cast.approver, reason="yes", on=DAY),
            lambda customer=broken.customer: record_legal_event(
                customer, "insolvency", effective_on=DAY, known_on=DAY, source="register", actor=ACTOR
            ),
        )
        results = together(*acts)
        assert [result for result in results if isinstance(result, Exception)] == []
        late.refresh_from_db()
        paid.refresh_from_db()
        assert (late.open_amount.minor, paid.open_amount.minor) == (290_000, 60_000)
    rescore_dirty()
    assert list(check_ledger()) == [] and not DirtyAccount.objects.exists()
    assert Instalment.objects.filter(account__in=ids).count() == 2 * ROUNDS
    limits = limits_at(ids, DAY)
    wanted = [0, 60_000, 0] * ROUNDS
    assert [limits[pk].base.minor // 100 for pk in ids] == wanted
    causes = CreditCause.objects.order_by("account_id").values_list("account_id", "kind")
    found = {(account.pk, kind) for account, kind in zip(accounts, ["late_payment", "", "insolvency"] * ROUNDS, strict=True) if kind}  # fmt: skip
    assert len(causes) == 2 * ROUNDS and set(causes) == found
    assert AuditEntry.objects.filter(act="limit.cut_at_once").count() == 2 * ROUNDS
    # Three workers address what was told and send it at once: everybody is told of everything once.
    User.objects.filter(pk=cast.controller.pk).update(email="carla@x.example")
    told = [result for result in together(*[lambda: address(DAY)] * 3) if isinstance(result, Exception)]
    assert told == []
    mails = StaffMail.objects.filter(user=cast.controller)
    assert NoticeCopy.objects.filter(mail__in=mails).count() == Notice.objects.count() == 2 * ROUNDS
    ids_of_mails = list(mails.values_list("pk", flat=True))
    together(*[lambda: [send(pk) for pk in ids_of_mails]] * 3)
    assert len(mail.outbox) == len(ids_of_mails) and {row.state for row in mails} == {"sent"}
    # Whatever overtook whatever: the stored scores are those of the ledger as it ended.
    stored = contents(AccountScore)
    AccountScore.objects.all().delete()
    rescore(DAY, Scope.of(ids))
    assert contents(AccountScore) == stored
