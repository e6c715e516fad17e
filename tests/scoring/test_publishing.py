"""A scorecard's way from draft to use: two persons, on evidence, and what the database refuses by itself."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.db import DatabaseError, transaction

from creditdesk.core.models import AuditEntry, Job
from scoring.card import CardError, active_card
from scoring.drafts import Row, change_numbers, copy_card, delete_draft, replace_bins
from scoring.models import CardReport, PublishingGate, Scorecard
from scoring.publishing import PublishingError, gates, propose_card, publish_card, send_back_card
from scoring.reports import store_report
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
