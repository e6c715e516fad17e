"""Old scores recomputed bit for bit, and two dates compared."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from customers.models import CreditAccount, ImportBatch
from scoring.card import active_card
from scoring.changes import Day, changes_between, compare
from scoring.engine import rescore
from scoring.explain import explain
from scoring.models import AccountScore, ScoreHistory
from scoring.redefined import REDEFINED
from scoring.replay import replay
from tests.factories import ACTOR, history, invoice, make_account, make_company, pay

pytestmark = pytest.mark.django_db
TODAY = date(2026, 11, 20)


def complete(company, day: date) -> None:
    ImportBatch.objects.create(source=company.sources.get(code="erp"), complete_through=day)


@pytest.fixture(scope="module")
def kept_account(module_database):
    company = make_company()
    complete(company, TODAY - timedelta(days=30))
    account = make_account(company)
    issued = [TODAY - timedelta(days=90 + 30 * month) for month in range(8)]
    history(account, [("1000", day, 30, day + timedelta(days=33)) for day in issued])
    rescore(TODAY - timedelta(days=30))
    invoice(account, "5000", TODAY - timedelta(days=70))
    complete(company, TODAY)
    rescore(TODAY)
    return account


@pytest.fixture
def account(kept_account, db):
    return deepcopy(kept_account)


def test_every_kept_score_comes_out_the_same_from_inputs_and_facts(account):
    kept = list(ScoreHistory.objects.order_by("pk"))
    assert len(kept) == 2 and kept[0].score != kept[1].score
    for row in [*kept, AccountScore.objects.get()]:
        found = replay(row)
        assert found.is_exact, (found.inputs, found.facts)


def test_later_facts_do_not_change_a_replay_and_a_forged_row_is_found(account):
    # Backdated: it would have changed the kept scores, had it been recorded then.
    pay(invoice(account, "9000", TODAY - timedelta(days=200)), TODAY - timedelta(days=40))
    kept = ScoreHistory.objects.order_by("pk").last()
    assert replay(kept).is_exact
    kept.score += 1
    kept.oldest_overdue_days = 1
    found = replay(kept)
    assert {d.name for d in found.inputs} >= {"score"}
    assert {(d.name, d.stored) for d in found.facts} >= {("oldest_overdue_days", 1)}


def test_the_command_proves_it_and_fails_when_it_cannot(account, capsys):
    kept = ScoreHistory.objects.order_by("pk").last()
    call_command("replay", str(kept.pk), "--format", "json")
    (record,) = json.loads(capsys.readouterr().out)
    assert (record["id"], record["score"], record["exact"]) == (kept.pk, kept.score, True)
    call_command("replay", "--all")
    assert "2 scores replayed, 0 differ" in capsys.readouterr().out
    with pytest.raises(CommandError, match="no such score"):
        call_command("replay", "999999")
    AccountScore.objects.update(pd=Decimal("0.5"))
    with pytest.raises(CommandError, match="1 of 1"):
        call_command("replay", "--customer", account.customer.code)
    assert "pd was 0.5" in capsys.readouterr().out


def test_a_signal_defined_anew_since_is_named(account, capsys):
    """The values a score was told stay; from the facts it is told by today's definitions."""
    row = AccountScore.objects.get()
    AccountScore.objects.filter(pk=row.pk).update(altman_z=3)
    assert replay(AccountScore.objects.get()).defined_anew == {}, "scored by this release"
    installed = MigrationRecorder(connection).migration_qs.filter(app="scoring", name=REDEFINED[0].migration)
    assert installed.update(applied=timezone.now() + timedelta(hours=1)) == 1
    found = replay(AccountScore.objects.get())
    assert found.defined_anew == {"altman_z": date(2026, 11, 23)} and not found.is_exact
    with pytest.raises(CommandError, match="1 of 1"):
        call_command("replay", "--customer", account.customer.code)
    assert "altman_z was defined anew on 2026-11-23" in capsys.readouterr().out


def test_changes_between_two_dates_add_up_to_the_step(account):
    found = changes_between(account, TODAY - timedelta(days=30), TODAY, reader=ACTOR)
    assert found.step < 0
    assert found.before.score + found.card_step + sum(m.points for m in found.moved) == found.after.score
    moved = {m.item.name: (m.before.value, m.after.value) for m in found.moved}
    assert moved["oldest_overdue_days"] == (0, 40)
    assert all(m.before.value != m.after.value and m.points == 0 for m in found.silent)


def test_a_day_without_a_kept_score_is_computed_from_what_was_known_then(account):
    found = changes_between(account, TODAY - timedelta(days=45), TODAY - timedelta(days=30), reader=ACTOR)
    assert found.before.as_of == TODAY - timedelta(days=45)
    assert (
        changes_between(
            CreditAccount(pk=account.pk + 999, customer_id=account.customer_id),
            TODAY - timedelta(days=45),
            TODAY,
            reader=ACTOR,
        )
        is None
    )


def test_another_card_is_a_step_of_its_own_and_the_rest_is_the_customers(account):
    """The later day scored by a card with other base points and one other signal's points."""
    before, after = ScoreHistory.objects.order_by("as_of")
    old = active_card()
    lower = {"due_count_12m": tuple(replace(b, points=b.points - 2) for b in old.bins["due_count_12m"])}
    new = replace(old, pk=-1, base_points=old.base_points + 5, bins=old.bins | lower)
    first, second = Day(before, old, explain(before)), Day(after, old, explain(after))
    changed = ScoreHistory.objects.get(pk=after.pk)
    changed.card_id, changed.score = -1, after.score + 3
    same, found = compare(first, second), compare(first, Day(changed, new, explain(changed, new)))
    assert (same.card_step, same.is_other_card) == (0, False)
    assert (found.card_step, found.is_other_card) == (3, True)
    assert {m.item.name: m.points for m in found.moved} == {m.item.name: m.points for m in same.moved}
    assert before.score + found.card_step + sum(m.points for m in found.moved) == changed.score
