"""A scorecard's way from draft to use: two persons, on evidence, and what the database refuses by itself."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import pytest
import time_machine
from django.db import DatabaseError, transaction
from django.test import Client
from django.urls import reverse

from creditdesk.core.models import AuditEntry, Job
from customers.bank.consents import record_consent
from customers.models import BankAccount, BankTransaction, Company, ImportBatch
from scoring.card import CardError, active_card, cards_of
from scoring.drafts import Row, change_numbers, copy_card, delete_draft, replace_bins
from scoring.engine import compute, rescore
from scoring.models import AccountScore, CardReport, PublishingGate, Scorecard, ScoreHistory
from scoring.publishing import (
    PublishingError,
    begin_planned,
    gates,
    propose_card,
    publish_card,
    send_back_card,
    withdraw_planned,
)
from scoring.replay import replay
from scoring.reports import store_report
from scoring.statement import Scope
from scoring.tasks import plan_nightly
from tests.factories import ACTOR, invoice
from tests.people import Cast

pytestmark = pytest.mark.django_db
TODAY = date(2026, 11, 20)


@pytest.fixture
def draft(cast: Cast) -> Scorecard:
    return copy_card(Scorecard.objects.get(status="active", kind="full"), by=cast.controller, as_of=TODAY)


def evidence(card: Scorecard, gini: float | None = 0.5, psi: float = 0.05, as_of: date = TODAY) -> None:
    store_report(card, "backtest", as_of, {"gini": gini, "refused": "too few events"}, made_by="test")
    store_report(card, "stability", as_of, {"psi": psi}, made_by="test")


def proposed(card: Scorecard, cast: Cast) -> Scorecard:
    return propose_card(card, by=cast.controller, reason="Ranks better.", as_of=TODAY)


def refused(code: str):
    return pytest.raises(PublishingError, check=lambda error: error.code == code)


def test_a_copy_has_the_numbers_and_bins_of_its_model_and_the_next_version(draft):
    model = draft.based_on
    assert (draft.code, draft.version, draft.status) == (model.code, model.version + 1, "draft")
    fields = ("signal", "is_missing", "lower", "upper", "points", "rationale")
    assert list(draft.bins.order_by("pk").values_list(*fields)) == list(
        model.bins.order_by("pk").values_list(*fields)
    )


def test_a_published_card_replaces_the_one_in_use_and_the_book_is_scored_anew(draft, cast):
    before = active_card().pk
    change_numbers(draft, {"guarantees_below": 72}, by=cast.controller, as_of=TODAY)
    evidence(draft)
    published = publish_card(proposed(draft, cast), approver=cast.approver, reason="Agreed.", as_of=TODAY)
    assert published.status == "active" and active_card().pk == draft.pk
    assert Scorecard.objects.get(pk=before).status == "retired"
    assert Job.objects.filter(kind=f"score-card-{draft.pk}", business_date=TODAY).exists()
    acts = AuditEntry.objects.filter(subject_type="scoring.scorecard", subject_pk=str(draft.pk))
    assert list(acts.order_by("pk").values_list("act", "actor__username")) == [
        ("scorecard.copied", "carla"),
        ("scorecard.edited", "carla"),
        ("scorecard.proposed", "carla"),
        ("scorecard.published", "paolo"),
    ]


def test_nobody_publishes_what_they_proposed_made_or_edited(draft, cast):
    evidence(draft)
    manager = cast.manager  # may propose and publish
    with refused("not_allowed"):
        propose_card(draft, by=cast.collector, reason="x", as_of=TODAY)
    change_numbers(draft, {"name": "Mine"}, by=manager, as_of=TODAY)
    waiting = proposed(draft, cast)
    with refused("edited_it"):
        publish_card(waiting, approver=manager, reason="ok", as_of=TODAY)
    with refused("not_allowed"):
        publish_card(waiting, approver=cast.controller, reason="ok", as_of=TODAY)
    own = copy_card(draft, by=manager, as_of=TODAY)
    evidence(own)
    propose_card(own, by=manager, reason="Better.", as_of=TODAY)
    with refused("own_proposal"):
        publish_card(own, approver=manager, reason="ok", as_of=TODAY)
    with pytest.raises(DatabaseError), transaction.atomic():
        Scorecard.objects.filter(pk=own.pk).update(status="active", decided_by=manager)


@pytest.mark.parametrize(
    ("gini", "psi", "age", "missed"),
    [
        (0.5, 0.05, 0, []),
        (0.3, 0.25, 0, []),
        (0.29, 0.05, 0, ["gini"]),
        (0.5, 0.26, 0, ["psi"]),
        (None, 0.05, 0, ["gini"]),
        (0.5, 0.05, 100, []),
        (0.5, 0.05, 101, ["gini", "psi"]),
    ],
)
def test_gates_read_the_newest_evidence_that_is_not_too_old(draft, gini, psi, age, missed):
    evidence(draft, gini, psi, TODAY - timedelta(days=age))
    assert [gate.code for gate in gates(draft, TODAY) if not gate.passed] == missed


def test_below_a_gate_publishing_needs_a_reason_that_stays_with_the_card(draft, cast):
    evidence(draft, gini=0.1)
    waiting = proposed(draft, cast)
    with refused("gates"):
        publish_card(waiting, approver=cast.approver, reason="ok", as_of=TODAY)
    assert Scorecard.objects.get(pk=draft.pk).status == "proposed"
    published = publish_card(
        waiting,
        approver=cast.approver,
        reason="ok",
        override_reason="New market, no defaults yet.",
        as_of=TODAY,
    )
    assert published.override_reason == "New market, no defaults yet."
    entry = AuditEntry.objects.get(act="scorecard.published")
    assert entry.data["gates_missed"] == ["gini"]


def test_a_stricter_gate_counts_from_the_day_it_is_set(draft, cast):
    evidence(draft, gini=0.5)
    PublishingGate.objects.create(min_gini=Decimal("0.6"), max_psi=Decimal("0.1"), set_by=cast.manager)
    assert [gate.code for gate in gates(draft, TODAY) if not gate.passed] == ["gini"]


def test_a_proposed_card_is_frozen_until_it_is_sent_back(draft, cast):
    waiting = proposed(draft, cast)
    with refused("not_draft"):
        change_numbers(waiting, {"base_points": 60}, by=cast.controller, as_of=TODAY)
    with pytest.raises(DatabaseError), transaction.atomic():
        Scorecard.objects.filter(pk=draft.pk).update(base_points=1)
    with pytest.raises(DatabaseError), transaction.atomic():
        draft.bins.update(points=0)
    back = send_back_card(waiting, by=cast.approver, reason="The cut-offs need work.", as_of=TODAY)
    assert back.status == "draft" and back.decided_by == cast.approver
    change_numbers(back, {"guarantees_below": 75}, by=cast.controller, as_of=TODAY)
    again = proposed(back, cast)
    assert again.decided_by is None
    assert send_back_card(again, by=cast.controller, reason="Not yet.", as_of=TODAY).status == "draft"


def test_a_draft_cannot_slip_into_use_behind_the_application(draft):
    with pytest.raises(DatabaseError, match="proposed first"), transaction.atomic():
        Scorecard.objects.filter(pk=draft.pk).update(status="active")


def test_bins_of_a_signal_are_replaced_as_a_whole(draft, cast):
    rows = [
        Row(0, "No history.", is_missing=True),
        Row(-4, "Late.", None),
        Row(6, "On the day.", Decimal(3)),
        Row(2, "A little late.", Decimal(20)),
    ]
    replace_bins(draft, "days_late_3m", rows, by=cast.controller, as_of=TODAY)
    bins = draft.bins.filter(signal="days_late_3m", is_missing=False).order_by("pk")
    assert list(bins.values_list("lower", "upper", "points")) == [(None, 3, 6), (3, 20, 2), (20, None, -4)]
    assert AuditEntry.objects.get(act="scorecard.edited").changes.get().after["bins"][1]["points"] == 6


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([Row(1, "a", None)], "missing value"),
        ([Row(0, "m", is_missing=True), Row(1, "a", Decimal(3))], "no upper bound"),
        ([Row(0, "m", is_missing=True), Row(1, " ", None)], "rationale"),
        (
            [Row(0, "m", is_missing=True), Row(2, "a", Decimal(3)), Row(1, "b", Decimal(3)), Row(0, "c")],
            "same upper bound",
        ),
    ],
)
def test_bins_that_make_no_sense_are_refused_with_the_cure(draft, cast, rows, told):
    with pytest.raises(ValueError, match=told):
        replace_bins(draft, "days_late_3m", rows, by=cast.controller, as_of=TODAY)


def test_a_card_whose_points_run_the_wrong_way_cannot_be_proposed(draft, cast):
    rows = [Row(0, "m", is_missing=True), Row(-2, "early", Decimal(3)), Row(3, "late", None)]
    replace_bins(draft, "days_late_3m", rows, by=cast.controller, as_of=TODAY)
    with pytest.raises(CardError, match="worse value"):
        proposed(draft, cast)


def test_evidence_is_never_edited_and_goes_only_with_its_draft(draft, cast):
    evidence(draft)
    report = CardReport.objects.filter(card=draft).first()
    with pytest.raises(DatabaseError), transaction.atomic():
        CardReport.objects.filter(pk=report.pk).update(figures={"gini": 0.9})
    delete_draft(draft, by=cast.controller, as_of=TODAY)
    assert not CardReport.objects.exists()
    active = Scorecard.objects.get(status="active", kind="full")
    evidence(active)
    with pytest.raises(DatabaseError), transaction.atomic():
        active.reports.all().delete()


def planned(draft: Scorecard, cast: Cast, day: date) -> Scorecard:
    evidence(draft)
    return publish_card(
        proposed(draft, cast), approver=cast.approver, reason="Agreed.", as_of=TODAY, first_day=day
    )


def test_a_planned_card_scores_from_its_first_day_on(draft, cast):
    """Published today by two, in use from day D: the night of D scores with it, what was scored before replays."""
    account, later = cast.account, TODAY + timedelta(days=10)
    invoice(account, "100.00", TODAY - timedelta(days=60))
    champion, eve = draft.based_on, later - timedelta(days=1)
    change_numbers(
        draft, {"base_points": draft.base_points - 1, "review_to": 61}, by=cast.controller, as_of=TODAY
    )
    replace_bins(draft, "insolvent", [], by=cast.controller, as_of=TODAY)
    for wrong in (TODAY - timedelta(days=1), TODAY + timedelta(days=400)):
        with refused("first_day"), transaction.atomic():
            planned(copy_card(draft, by=cast.controller, as_of=TODAY), cast, wrong)
    card = planned(draft, cast, later)
    assert (card.status, card.first_day, card.decided_by) == ("planned", later, cast.approver)
    assert active_card().pk == champion.pk and not Job.objects.filter(kind=f"score-card-{card.pk}").exists()
    twin = copy_card(draft, by=cast.controller, as_of=TODAY)
    with refused("day_taken"):
        planned(twin, cast, later)
    for values in (
        {"base_points": 1},
        {"first_day": TODAY},
        {"decided_by": cast.manager},
        {"status": "retired"},
    ):
        with pytest.raises(DatabaseError), transaction.atomic():
            Scorecard.objects.filter(pk=card.pk).update(**values)
    # By the day alone, for every company its own, whether the state says so yet or not.
    rescore(eve)
    assert AccountScore.objects.get(account=account).card_id == champion.pk
    for scope in (Scope.everyone(), Scope.of([account.pk])):
        assert {row.card_id for row in compute(eve, scope)} == {champion.pk}
        assert {row.card_id for row in compute(later, scope)} == {card.pk}
    kept = ScoreHistory.objects.get(account=account)
    assert begin_planned(eve) == []
    plan_nightly(datetime.combine(later, time(1, 30), UTC).isoformat())
    card.refresh_from_db()
    assert (card.status, active_card().pk) == ("active", card.pk)
    assert Scorecard.objects.get(pk=champion.pk).status == "retired" and begin_planned(later) == []
    rescore(later)
    now = AccountScore.objects.get(account=account)
    assert now.card_id == card.pk and now.score == kept.score - 1
    assert replay(kept).is_exact and replay(now).is_exact
    acts = AuditEntry.objects.filter(subject_type="scoring.scorecard", act="scorecard.began")
    assert list(acts.values_list("subject_pk", "actor__username")) == [(str(card.pk), None)]
    with refused("not_planned"):
        withdraw_planned(card, by=cast.manager, reason="too late", as_of=eve)


def test_a_planned_card_is_withdrawn_by_one_person_before_its_day(draft, cast):
    later = TODAY + timedelta(days=10)
    card, client = planned(draft, cast, later), Client()
    with time_machine.travel(datetime.combine(TODAY, time(12), UTC), tick=False):
        client.force_login(cast.manager)
        shown = client.get(reverse("scorecards:list")).content.decode()
        assert "planned" in shown and "from 30 Nov 2026" in shown
        page = client.get(reverse("scorecards:card", args=[card.pk])).content.decode()
        assert "Withdraw before its first day" in page and "it scores from 30 Nov 2026 on" in page
        for person, reason, code in ((cast.collector, "x", "not_allowed"), (cast.manager, " ", "no_reason")):
            with refused(code):
                withdraw_planned(card, by=person, reason=reason, as_of=TODAY)
        with refused("not_planned"):
            withdraw_planned(card, by=cast.manager, reason="It counts already.", as_of=later)
        client.post(reverse("scorecards:unplan", args=[card.pk]), {"back-reason": "Not yet."})
    card.refresh_from_db()
    assert (card.status, card.first_day, card.decided_by) == ("draft", None, cast.manager)
    entry = AuditEntry.objects.get(act="scorecard.withdrawn")
    assert entry.data["first_day"] == later.isoformat() and entry.actor.username == cast.manager.username
    # Its way begins anew, and two planned days come one after the other.
    sooner = TODAY + timedelta(days=3)
    twin = planned(copy_card(card, by=cast.controller, as_of=TODAY), cast, sooner)
    again = planned(card, cast, later)
    assert [begun.pk for begun in begin_planned(later)] == [twin.pk, again.pk]
    assert active_card().pk == again.pk


def feed(account):
    consent = record_consent(
        account.customer,
        purpose="credit assessment",
        effective_on=date(2024, 1, 1),
        expires_on=date(2099, 1, 1),
        actor=ACTOR,
    )
    bank = BankAccount.objects.create(consent=consent, customer=account.customer, iban="IT1", currency="EUR")
    BankTransaction.objects.bulk_create(
        BankTransaction(
            bank_account=bank,
            key=str(n),
            effective_on=TODAY - timedelta(days=n),
            known_on=TODAY,
            amount=9_000 if n % 2 else -4_000,
            balance=300_000,
            counterparty=f"{n % 5}",
        )
        for n in range(0, 120, 3)
    )


def test_a_thin_score_replays_with_the_full_card_that_its_day_had(draft, cast):
    """The planned full card counts from midnight of its day: thin files are told by it before its state says so."""
    later, thin = TODAY + timedelta(days=1), Scorecard.objects.get(status="active", kind="thin")
    for n in range(3):
        invoice(cast.account, "100.00", TODAY - timedelta(days=60 + n))
    feed(cast.account)
    ImportBatch.objects.create(source=cast.account.company.sources.get(code="erp"), complete_through=TODAY)
    change_numbers(draft, {"thin_below": 2}, by=cast.controller, as_of=TODAY)
    rescore(TODAY)
    before = AccountScore.objects.get(account=cast.account)
    assert before.card_id == thin.pk
    card = planned(draft, cast, later)
    # Three instalments are a history for the card of tomorrow, and one too few for the card of today.
    rescore(later)
    assert AccountScore.objects.get(account=cast.account).card_id == card.pk
    change_numbers(
        other := copy_card(card, by=cast.controller, as_of=TODAY),
        {"thin_below": 5, "thin_recent_below": 9},
        by=cast.controller,
        as_of=TODAY,
    )
    other = planned(other, cast, later + timedelta(days=1))
    rescore(later + timedelta(days=1))
    row = AccountScore.objects.get(account=cast.account)
    assert row.card_id == thin.pk and cards_of(row).full.pk == other.pk
    assert [begun.pk for begun in begin_planned(later + timedelta(days=1))] == [card.pk, other.pk]
    # Nor does one published at once count for the hours before.
    now = copy_card(other, by=cast.controller, as_of=TODAY)
    change_numbers(now, {"thin_below": 1}, by=cast.controller, as_of=TODAY)
    evidence(now)
    publish_card(
        proposed(now, cast), approver=cast.approver, reason="At once.", as_of=later + timedelta(days=1)
    )
    assert cards_of(row).full.pk == other.pk and replay(row).is_exact


def test_a_planned_card_waits_for_the_last_company_and_counts_for_the_first(draft, cast):
    """It is the 30th in Auckland when the 29th has just begun its afternoon here, and the 29th still in New York when
    the 30th has begun here."""
    later = TODAY + timedelta(days=10)
    for company, zone in (
        (cast.account.company, "America/New_York"),
        (cast.elsewhere.company, "Pacific/Auckland"),
    ):
        Company.objects.filter(pk=company.pk).update(time_zone=zone)
    thin = copy_card(Scorecard.objects.get(status="active", kind="thin"), by=cast.controller, as_of=TODAY)
    twin = copy_card(draft, by=cast.controller, as_of=TODAY)
    card = planned(draft, cast, later)
    evidence(thin)
    evidence(twin)
    for one in (thin, twin):
        proposed(one, cast)
    eve = later - timedelta(days=1)
    with time_machine.travel(datetime.combine(eve, time(13), UTC), tick=False), refused("not_planned"):
        withdraw_planned(card, by=cast.manager, reason="Too late in Auckland.", as_of=eve)
    with time_machine.travel(datetime.combine(later, time(1), UTC), tick=False):
        thin.refresh_from_db()
        publish_card(thin, approver=cast.approver, reason="Agreed.", as_of=later)
        card.refresh_from_db()
        assert card.status == "planned", "for New York it is still the 29th"
        twin.refresh_from_db()
        publish_card(twin, approver=cast.approver, reason="At once, for everybody.", as_of=later)
        card.refresh_from_db()
        assert (card.status, active_card().pk) == ("retired", twin.pk)
