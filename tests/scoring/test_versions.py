"""Every kind of version lives the same life; what the database refuses by itself, of each of them."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import pytest
from django.db import DatabaseError, transaction

from creditdesk.core.audit import Actor
from creditdesk.core.models import AuditEntry
from scoring import policy_publishing, publishing, terms_publishing
from scoring.card import CardError
from scoring.checks import publishing as check_publishing
from scoring.reports import store_report
from scoring.segment_policies import Stage, in_force, replaced_by, stages
from scoring.versions import VersionError
from tests.people import make_user

pytestmark = pytest.mark.django_db
DAY = date(2026, 3, 2)
LIVES = [publishing.LIFE, policy_publishing.LIFE, check_publishing.LIFE, terms_publishing.LIFE]
TERM = {
    "scorecard": {"guarantees_below": 71},
    "limit_policy": {"step": 1000},
    "check_policy": {"release_days": 7},
    "terms_policy": {"usual_days": 14},
}
each = pytest.mark.parametrize("life", LIVES, ids=lambda life: life.act)


@pytest.fixture
def cast(cast):
    """With one more manager, who proposes what others made."""
    cast.approver_too = make_user("manuela", "manager", company=cast.company)
    return cast


def refused(code):
    return pytest.raises((VersionError, CardError), check=lambda error: error.code == code)


def drafted(life, by):
    model = life.model.objects.filter(status="active").order_by("pk").first()
    return life.copy(model, by=by, as_of=DAY)


def with_evidence(life, draft, by):
    if life is publishing.LIFE:
        store_report(draft, "backtest", DAY, {"gini": 0.5}, made_by="test")
        store_report(draft, "stability", DAY, {"psi": 0.01}, made_by="test")
    else:
        life.keep_simulation(draft, DAY, actor=Actor.person(by))
    return life.model.objects.get(pk=draft.pk)


def rows(life, **values):
    return lambda draft: life.model.objects.filter(pk=draft.pk).update(**values)


@each
def test_the_whole_life_and_one_act_for_each_step(cast, life):
    draft = drafted(life, cast.controller)
    in_use = life.model.objects.get(pk=draft.based_on_id)
    life.propose(draft, by=cast.controller, reason="Try it.", as_of=DAY)
    life.send_back(draft, by=cast.controller, reason="Wait.", as_of=DAY)
    life.propose(draft, by=cast.controller, reason="Now.", as_of=DAY)
    life.send_back(draft, by=cast.approver, reason="Too much.", as_of=DAY)
    life.propose(draft, by=cast.controller, reason="Please.", as_of=DAY)
    for code, act in (
        ("not_allowed", lambda: life.propose(draft, by=cast.collector, reason="x", as_of=DAY)),
        ("not_draft", lambda: life.propose(draft, by=cast.controller, reason="x", as_of=DAY)),
        ("not_draft", lambda: life.delete_draft(draft, by=cast.controller, as_of=DAY)),
        ("no_reason", lambda: life.publish(draft, approver=cast.approver, reason=" ", as_of=DAY)),
        ("not_allowed", lambda: life.publish(draft, approver=cast.controller, reason="x", as_of=DAY)),
    ):
        with refused(code):
            act()
    draft = with_evidence(life, draft, cast.controller)
    published = life.publish(draft, approver=cast.approver, reason="Agreed.", as_of=DAY)
    in_use.refresh_from_db()
    assert (published.status, in_use.status) == ("active", "retired")
    assert (published.decided_by, published.decision_reason) == (cast.approver, "Agreed.")
    with refused("not_proposed"):
        life.send_back(published, by=cast.approver, reason="Back.", as_of=DAY)
    acts = AuditEntry.objects.filter(act__startswith=f"{life.act}.").order_by("pk")
    verbs = ["proposed", "withdrawn", "proposed", "sent_back", "proposed", "retired", "published"]
    moved = [entry for entry in acts if entry.act.partition(".")[2] in verbs]
    assert [entry.act.partition(".")[2] for entry in moved] == verbs
    for entry in moved:
        change = entry.changes.get()
        assert change.before["status"] != change.after["status"], entry.act
        assert entry.actor in (cast.controller, cast.approver)


@each
def test_nobody_publishes_their_own_work_not_even_behind_the_application(cast, life):
    manager = cast.manager  # may propose and publish
    own, edited = drafted(life, manager), drafted(life, cast.controller)
    with transaction.atomic():
        life.editable(edited, manager)
    for made, code in ((own, "own_proposal"), (edited, "edited_it")):
        life.propose(made, by=cast.controller, reason="x", as_of=DAY)
        draft = with_evidence(life, made, cast.controller)
        with refused(code):
            life.publish(draft, approver=manager, reason="ok", as_of=DAY)
        for values in (
            {"status": "active", "decided_by": manager},
            {"status": "active"},
            {"status": "retired"},
        ):
            with pytest.raises(DatabaseError), transaction.atomic():
                rows(life, **values)(draft)


@each
def test_only_the_proposal_that_was_read_is_published(cast, life):
    draft = drafted(life, cast.controller)
    read = life.propose(draft, by=cast.controller, reason="Try it.", as_of=DAY).proposal
    life.send_back(draft, by=cast.controller, reason="Wait.", as_of=DAY)
    life.propose(draft, by=cast.controller, reason="Other terms.", as_of=DAY)
    draft = with_evidence(life, draft, cast.controller)
    assert draft.proposal and draft.proposal != read
    for seen in (read, ""):
        with refused("moved"):
            life.publish(draft, approver=cast.approver, reason="Agreed.", as_of=DAY, proposal=seen)
        with refused("moved"):
            life.send_back(draft, by=cast.approver, reason="No.", as_of=DAY, proposal=seen)
    ready = life.publish(draft, approver=cast.approver, reason="Agreed.", as_of=DAY, proposal=draft.proposal)
    assert ready.status == "active"


@each
def test_two_at_the_same_moment(cast, life, monkeypatch):
    """Who copies gets the next number; who publishes second is told, and nothing is half done."""
    more, made = life.on_publishing, []
    # The number is taken between the copy's look and its insert.
    rows_of = type(life.model._default_manager.all()).aggregate

    def looks_then_is_overtaken(rows, **wanted):
        found = rows_of(rows, **wanted)
        if not made:
            made.append(None)
            made[0] = drafted(life, cast.approver_too)
        return found

    monkeypatch.setattr(type(life.model._default_manager.all()), "aggregate", looks_then_is_overtaken)
    draft = drafted(life, cast.controller)
    other = made[0]
    assert draft.version == other.version + 1
    for version, by in ((draft, cast.controller), (other, cast.approver_too)):
        life.propose(version, by=by, reason="x", as_of=DAY)
    draft = with_evidence(life, draft, cast.controller)

    def published_meanwhile(version, as_of):
        rows(life, status="active", decided_by=cast.approver)(other)
        return more(version, as_of)

    monkeypatch.setattr(life, "on_publishing", published_meanwhile)
    with refused("moved"):
        life.publish(draft, approver=cast.approver, reason="Agreed.", as_of=DAY)
    statuses = life.model.objects.filter(pk__in=(draft.pk, draft.based_on_id)).order_by("version")
    assert list(statuses.values_list("status", flat=True)) == ["active", "proposed"]


@each
def test_the_database_keeps_a_proposed_version_and_who_signed_it(cast, life):
    draft = drafted(life, cast.controller)
    with pytest.raises(DatabaseError), transaction.atomic():
        rows(life, status="active")(draft)
    life.propose(draft, by=cast.controller, reason="x", as_of=DAY)
    relation = next(iter(life.rows))
    for act in (
        rows(life, **TERM[life.act]),
        rows(life, is_shipped=True),
        lambda draft: getattr(draft, relation).all().delete(),
        lambda draft: draft.delete(),
    ):
        with pytest.raises(DatabaseError), transaction.atomic():
            act(life.model.objects.get(pk=draft.pk))
    draft = with_evidence(life, draft, cast.controller)
    life.publish(draft, approver=cast.approver, reason="Agreed.", as_of=DAY)
    old = life.model.objects.get(pk=draft.based_on_id)
    for version, values in (
        (draft, {"decided_by": cast.manager}),
        (draft, {"proposed_by": cast.manager}),
        (draft, {"decision_reason": "other"}),
        (draft, {"status": "draft"}),
        (old, {"status": "active"}),
    ):
        with pytest.raises(DatabaseError), transaction.atomic():
            rows(life, **values)(version)
    with pytest.raises(DatabaseError), transaction.atomic():
        draft.reports.all().delete()


@each
def test_who_made_or_edited_it_is_refused_by_the_guard_itself(cast, life):
    """The place is freed first, so that only the guard stands between the author and publishing."""
    draft = drafted(life, cast.controller)
    with transaction.atomic():
        life.editable(draft, cast.manager)
    life.propose(draft, by=cast.approver_too, reason="x", as_of=DAY)
    life.model.objects.filter(pk=draft.based_on_id).update(status="retired")
    for person in (cast.controller, cast.manager):
        with pytest.raises(DatabaseError, match="neither made nor edited"), transaction.atomic():
            rows(life, status="active", decided_by=person)(draft)
    assert rows(life, status="active", decided_by=cast.approver)(draft) == 1


def planned(life, cast, day, *, as_of=DAY):
    draft = drafted(life, cast.controller)
    life.propose(draft, by=cast.controller, reason="From the new year on.", as_of=as_of)
    draft = with_evidence(life, draft, cast.controller)
    return life.publish(draft, approver=cast.approver, reason="Agreed.", as_of=as_of, first_day=day)


@pytest.mark.parametrize("life", LIVES[1:], ids=lambda life: life.act)
def test_a_version_published_for_a_later_day_leaves_the_one_before_in_force_until_then(cast, life):
    later, sooner = DAY + timedelta(days=30), DAY + timedelta(days=10)
    before = in_force(life.model, DAY)[None]
    for wrong in (DAY - timedelta(days=1), DAY + timedelta(days=400)):
        with refused("first_day"):
            planned(life, cast, wrong)
    first = planned(life, cast, later)
    eve = later - timedelta(days=1)
    assert [in_force(life.model, day)[None] for day in (DAY, eve, later)] == [before, before, first]
    every = list(life.model.objects.all())
    assert stages(every, DAY) == {before.pk: Stage("until", eve), first.pk: Stage("planned", later)}
    assert stages(every, later) == {}
    assert replaced_by(first, DAY) == before
    with pytest.raises(DatabaseError), transaction.atomic():
        rows(life, valid_from=DAY)(first)
    # Published after it for an earlier day, another one is what counts, on its day and ever after.
    second = planned(life, cast, sooner)
    assert [in_force(life.model, day)[None] for day in (DAY, sooner, later)] == [before, second, second]
    assert stages(life.model.objects.all(), DAY)[first.pk] == Stage("never", later)
    # Planned for the same day, the one before never begins, on that day and after it; replaced within the day, it did.
    twin = planned(life, cast, sooner)
    assert stages(life.model.objects.all(), DAY)[second.pk] == Stage("never", sooner)
    for published, never in ((DAY, True), (sooner, False)):
        second.activated_at = datetime.combine(DAY, time(8), UTC)
        twin.activated_at = datetime.combine(published, time(9), UTC)
        assert (second.pk in stages([second, twin], sooner)) is never
    third = drafted(life, cast.controller)
    life.propose(third, by=cast.controller, reason="x", as_of=DAY)
    with pytest.raises(DatabaseError, match="never counts"), transaction.atomic():
        rows(life, status="active", decided_by=cast.approver, valid_from=date(2020, 1, 1))(third)
