"""Why one invoice is expected when it is: the lines add up to the chance shown, on every day and for every target."""

from __future__ import annotations

from copy import deepcopy
from datetime import UTC, datetime, time, timedelta
from math import log

import numpy as np
import pytest
from django.contrib.auth.models import Permission
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone, translation

from creditdesk.core import sentences
from creditdesk.core.audit import Actor
from creditdesk.core.models import Job, User
from customers.models import CreditAccount, Instalment
from scoring.invoices import load
from scoring.invoices.cards import fit_draft, take_into_use, uses
from scoring.invoices.estimates import estimate
from scoring.invoices.explaining import explain_invoice
from scoring.invoices.features import CODES
from scoring.invoices.load import customers_of, payers_of
from scoring.invoices.outcomes import card_outcomes
from scoring.invoices.points import DOUBLING, whole
from scoring.invoices.wording import _SENTENCES
from scoring.tasks import fit_planned_invoice_card
from tests import words
from tests.desk_world import client_of
from tests.factories import make_company, pay

from .books import START, made, stored

pytestmark = pytest.mark.django_db
DAY = START + timedelta(days=260)
FIRST_USE = DAY - timedelta(days=100)


@pytest.fixture(scope="module")
def kept_world(module_database):
    company = make_company(complete_through=DAY)
    stored(company, made(seed=11, payers=25, invoices=420, days=300), through=DAY.toordinal())
    boss = User.objects.create(username="paolo", is_superuser=True, is_staff=True)
    # Learned twice: nobody estimated anything before the first was taken into use, 100 days ago.
    for learned, used in ((DAY - timedelta(days=110), FIRST_USE), (DAY, DAY)):
        draft = fit_draft(learned, actor=Actor.job("test"))
        take_into_use(draft, by=boss, at=datetime.combine(used, time(9), tzinfo=UTC))
    return company, boss


@pytest.fixture
def world(kept_world, db, settings):
    settings.BUSINESS_DATE = DAY
    cache.clear()
    return deepcopy(kept_world)


def open_rows():
    rows = Instalment.objects.filter(open_amount__gt=0).select_related("account__company", "invoice")
    return list(rows.order_by("pk"))


@pytest.mark.any_database
def test_the_lines_add_up_to_the_very_chance_that_is_shown(world):
    rows = sorted(open_rows(), key=lambda row: row.due_on)[::6]
    said = estimate([row.pk for row in rows], DAY)
    levels, overdue = set(), 0
    for row in rows:
        seen = explain_invoice(row, DAY).now
        for name in ("p_late", "p_late_15", "p_late_30", "days_late"):
            assert getattr(seen.estimate, name) == pytest.approx(getattr(said[row.pk], name), abs=1e-9)
        assert seen.estimate.expected_on == said[row.pk].expected_on
        for chance in seen.chances:
            if chance.happened:
                assert chance.value > 1 - 1e-9 or chance.value == 0
                continue
            odds = log(chance.value) - log(1 - chance.value)
            assert chance.odds == pytest.approx(odds, abs=1e-9)
            assert chance.total == sum(line.points for line in chance.lines)
            assert chance.total == round(odds * DOUBLING / log(2))
            assert chance.level is not None and chance.base is not None
            shown = chance.base.points + chance.raised + chance.lowered + chance.level.points + chance.others
            assert shown == chance.total
            levels.add(round(chance.level.odds, 6))
            overdue += chance.points.overdue
            # What is left over is named for what it is and never carries the whole.
            assert "still_unpaid" in chance.points.lines or not chance.points.overdue or row.due_on == DAY
    assert overdue > 1 and levels - {0.0}, "the level of this book moves, and unpaid invoices are told, too"


def test_every_feature_of_a_card_has_its_sentence():
    assert set(CODES) <= set(_SENTENCES)


def test_points_are_whole_and_add_up_however_they_are_rounded():
    lines = {"a": 0.0501, "b": 0.0499, "c": -0.0502, "base": -1.01}
    points = whole(lines)
    assert sum(points.values()) == round(sum(lines.values()) * DOUBLING / log(2))
    assert all(abs(points[code] - lines[code] * DOUBLING / log(2)) < 1 for code in lines)


def test_the_page_tells_today_the_day_of_issue_and_the_outcome(world):
    company, boss = world
    late = next(row for row in open_rows() if row.due_on < DAY - timedelta(days=2))
    client = client_of(boss)
    counts = []
    for row in (late, open_rows()[-1]):
        cache.clear()
        explain_invoice(row, DAY)
        with CaptureQueriesContext(connection) as caught:
            page = client.get(reverse("invoices:estimate", args=[row.pk])).content.decode()
        counts.append(len(caught))
        for text in ("Its course", "day of issue", "today", "moved with the book", "together", "version 2"):
            assert text in page
    assert len(set(counts)) == 1 and counts[0] <= 21
    assert "it is already" in client.get(reverse("invoices:estimate", args=[late.pk])).content.decode()
    paid = Instalment.objects.filter(settled_by="cash", effective_on__gt=FIRST_USE).first()
    page = client.get(reverse("invoices:estimate", args=[paid.pk])).content.decode()
    assert "outcome" in page and "estimate of the day it was issued" in page
    at_issue = explain_invoice(paid, DAY).at_issue
    assert at_issue.on == paid.effective_on and at_issue.estimate.p_late < 1
    with translation.override("it"):
        assert explain_invoice(late, DAY).now.main.lines


@pytest.mark.any_database
def test_what_became_known_later_plays_no_part_on_the_day_of_issue(world):
    row = next(r for r in open_rows() if FIRST_USE < r.effective_on < DAY - timedelta(days=9))
    before = explain_invoice(row, DAY).at_issue
    others = Instalment.objects.filter(account=row.account, settled_on__gt=row.effective_on)
    assert others.exists(), "the payer paid something since: the case is worth asking"
    known = explain_invoice(row, row.effective_on).at_issue
    assert known.estimate.p_late == pytest.approx(before.estimate.p_late, abs=1e-9)


@pytest.mark.any_database
def test_what_the_book_is_heard_to_have_paid_later_plays_no_part_on_the_day_of_issue(world):
    """Other customers' payments, told long after they were made."""
    rows = open_rows()
    row = [row for row in rows if row.effective_on < DAY][-1]
    assert row.effective_on > FIRST_USE
    before = explain_invoice(row, DAY).at_issue
    paid_on = row.effective_on - timedelta(days=2)
    others = [r for r in rows if r.due_on < paid_on and r.account_id != row.account_id]
    assert others
    for other in others:
        pay(other, paid_on, known_on=DAY, key=f"late-{other.pk}")
    cache.clear()
    assert explain_invoice(row, DAY).at_issue.chances == before.chances


def test_the_day_of_issue_is_told_by_the_card_in_use_that_day_or_by_none(world):
    used = uses()
    assert [(use.card.version, use.first, use.last) for use in used] == [
        (1, FIRST_USE, DAY - timedelta(days=1)),
        (2, DAY, None),
    ]
    paid = Instalment.objects.filter(settled_by="cash").select_related("account__company", "invoice")
    after = explain_invoice(paid.filter(effective_on__gte=FIRST_USE).first(), DAY)
    assert (after.card.version, after.then.card.version, after.at_issue.estimate.card) == (2, 1, 1)
    row = paid.filter(effective_on__lt=FIRST_USE).last()
    before = explain_invoice(row, DAY)
    assert before.then is None and before.at_issue is None
    client = client_of(world[1])
    assert (
        "nothing was expected of it"
        in client.get(reverse("invoices:estimate", args=[row.pk])).content.decode()
    )
    row = open_rows()[0]
    assert row.effective_on < DAY - timedelta(days=20)
    page = client.get(reverse("invoices:estimate", args=[row.pk])).content.decode()
    assert "card version 1" in page


def test_what_the_cards_in_use_had_estimated_is_held_against_what_happened(world, monkeypatch):
    with CaptureQueriesContext(connection) as caught:
        rows = card_outcomes(DAY)
    assert len(caught) <= 15
    months = [(row["month"], row["version"]) for row in rows]
    assert (
        len(rows) >= 4
        and {version for _month, version in months[1:]} == {1}
        and months == sorted(months)[::-1]
    )
    assert (
        sum(row["invoices"] for row in rows) == Instalment.objects.filter(effective_on__gte=FIRST_USE).count()
    )
    newest, oldest = rows[0], rows[-1]
    assert newest["late"] is None and newest["late_15"] is None, "nothing has fallen due yet"
    # By hand: the card's own estimates of the day of issue, and what was known of the invoices on DAY.
    month = Instalment.objects.filter(effective_on__gte=FIRST_USE, effective_on__month=FIRST_USE.month)
    told = list(month.filter(due_on__lt=DAY).select_related("account__company", "invoice"))
    said = [explain_invoice(row, DAY).at_issue.estimate.p_late for row in told]
    late = [row.settled_on is None or row.settled_on > row.due_on for row in told]
    assert oldest["late"]["rows"] == len(told) and oldest["late"]["predicted"] == pytest.approx(
        sum(said) / len(said), abs=0.03
    )
    assert oldest["late"]["observed"] == pytest.approx(sum(late) / len(late), abs=1e-4)
    assert oldest["late"]["low"] <= oldest["late"]["observed"] <= oldest["late"]["high"]
    # The accounts of a customer, in whichever company, are no independent evidence: of three customers little is sure.
    owners = np.array(list(CreditAccount.objects.order_by("pk").values_list("pk", "customer")))
    assert (customers_of(owners[:, 0]) == owners[:, 1]).all() and (
        payers_of(owners[:, 0]) == owners[:, 0]
    ).all()
    owners[:, 1] %= 3
    with monkeypatch.context() as few:
        few.setattr(load, "_owners", lambda using: owners)
        assert set(payers_of(owners[:, 0])) == set(owners[:3, 0])
        wider = card_outcomes(DAY)[-1]["late"]
    assert wider["observed"] == oldest["late"]["observed"]
    assert wider["high"] - wider["low"] > oldest["late"]["high"] - oldest["late"]["low"]
    # Asked about a past day: what has become known since plays no part.
    then = DAY - timedelta(days=40)
    known = card_outcomes(then)
    for row in Instalment.objects.filter(open_amount__gt=0, due_on__lt=then)[:5]:
        pay(row, DAY - timedelta(days=2), key=f"since-{row.pk}")
    assert card_outcomes(then) == known != rows
    assert card_outcomes(FIRST_USE - timedelta(days=1)) == []


def test_only_who_may_see_the_account_and_the_cards(world):
    row = open_rows()[0]
    url = reverse("invoices:estimate", args=[row.pk])
    nobody = User.objects.create(username="nobody", is_staff=True)
    assert client_of(nobody).get(url).status_code == 403
    for name in ("view_instalment", "view_invoicecard"):
        nobody.user_permissions.add(Permission.objects.get(codename=name))
    assert client_of(User.objects.get(pk=nobody.pk)).get(url).status_code == 404
    assert client_of(world[1]).post(url).status_code == 405


def test_a_person_starts_the_learning_of_a_draft_and_sees_what_became_of_it(world):
    client = client_of(world[1])
    url = reverse("invoices:learn")
    page = reverse("scorecards:list")
    assert "Version 2 is in use" in client.get(page).content.decode()
    assert client.get(url).status_code == 405
    assert client.post(url).url == page
    assert "being learned in the background" in client.get(page).content.decode()
    job = Job.objects.get(kind="fit-invoice-card")
    job.business_date = START  # Nothing had fallen due by then.
    with words.watched():
        job.result = sentences.stored(fit_planned_invoice_card(job))
        job.status, job.done_at = Job.Status.DONE, timezone.now()
        job.save(update_fields=["status", "result", "done_at"])
    assert "not learned" in client.get(page).content.decode()
    assert "Only 0 invoices had fallen due by then; at least" in client.get(page).content.decode()
    with translation.override("it"):
        assert sentences.told(job.result["refused"]).startswith("Allora erano giunte a scadenza solo 0")
    # Refused, or failed: it can be asked for again that day; while one waits, another click plans no second.
    for status, done_at in ((Job.Status.DONE, timezone.now()), (Job.Status.FAILED, None)):
        Job.objects.update(status=status, done_at=done_at)
        for _click in range(2):
            client.post(url)
            told = client.get(page).content.decode()
            assert "It is being learned in the background" in told and "already" not in told
            assert Job.objects.filter(kind="fit-invoice-card", status="waiting").count() == 1
