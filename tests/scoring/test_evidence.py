"""Measuring any card: the vectorised score is the card's own, and too few defaults are said to be too few."""

from __future__ import annotations

from copy import deepcopy
from datetime import date, timedelta

import numpy as np
import pytest

from creditdesk.core import roles
from customers.models import ImportBatch
from scoring.card import active_card
from scoring.drafts import change_numbers, copy_card
from scoring.evidence import (
    PD_FIGURES,
    discrimination,
    figures_unseen,
    measure_card,
    pd_of_scores,
    scores_of,
)
from scoring.fitting.account_figures import figures_of
from scoring.fitting.observations import ledger_span, observation_days, observe
from scoring.models import CardReport, Scorecard
from scoring.publishing import gates
from tests.factories import history, make_account, make_company
from tests.people import make_user
from tests.scoring.fitting.rows import DAYS, made

pytestmark = pytest.mark.django_db
TODAY = date(2026, 11, 30)


@pytest.fixture(scope="module")
def kept_ledger(module_database):
    return two_years(make_company())


def two_years(company):
    """Six accounts; every third stops paying a year before the end."""
    ImportBatch.objects.create(source=company.sources.get(code="erp"), complete_through=TODAY)
    start = TODAY - timedelta(days=730)
    for number in range(6):
        account = make_account(company)
        issued = [start + timedelta(days=30 * month) for month in range(11)]
        deals = [("1000", day, 30, day + timedelta(days=30 + 6 * number)) for day in issued]
        last = start + timedelta(days=340)
        history(account, [*deals, ("2000", last, 30, last + timedelta(days=40) if number % 3 else None)])
    return company


@pytest.fixture
def ledger(kept_ledger, db):
    return deepcopy(kept_ledger)


def test_scores_and_pds_of_observations_are_the_cards_own(ledger):
    obs = observe(observation_days(*ledger_span()))
    assert obs.rows >= 6
    card = active_card()
    assert np.array_equal(scores_of(card, obs), obs.score)
    assert np.allclose(pd_of_scores(card, obs.score), obs.pd)


def test_a_probability_is_measured_on_days_after_the_outcomes_it_was_fitted_to():
    obs, true = made()
    scores, pd = obs.score, np.round(true, 4)
    later = obs.day > DAYS[1].toordinal()
    told = figures_unseen(obs, scores, pd, DAYS[1])
    since = figures_of(obs.take(later), -scores[later], pd[later])
    assert told["gini"] == figures_of(obs, -scores, pd)["gini"] and told["pd_taught_until"] == "2024-06-30"
    assert {name: told[name] for name in PD_FIGURES} == {name: since[name] for name in PD_FIGURES}
    assert not set(PD_FIGURES) & set(figures_unseen(obs, scores, pd, DAYS[-1]))


def test_too_few_defaults_are_said_and_not_guessed(ledger):
    found = discrimination(Scorecard.objects.get(status="active", kind="full"))
    assert found["gini"] is None and "2 customers defaulted" in found["refused"] and found["events"] == 2


def test_measuring_keeps_three_reports_and_the_gates_read_them(ledger, monkeypatch):
    monkeypatch.setattr("scoring.evidence.LEAST_EVENTS", 2)
    card = Scorecard.objects.get(status="active", kind="full")
    reports = measure_card(card, TODAY, made_by="test")
    assert [r.kind for r in reports] == ["stability", "tryout", "backtest"]
    assert CardReport.objects.filter(card=card).count() == 3
    by_code = {gate.code: gate for gate in gates(card, TODAY)}
    assert float(by_code["gini"].value) == round(reports[2].figures["gini"], 4)
    assert float(by_code["psi"].value) == reports[0].figures["psi"]
    # What was measured of a draft is no evidence of what it was changed into; a text changes nothing.
    draft = copy_card(card, by=make_user("carla", roles.CONTROLLER, company=ledger), as_of=TODAY)
    measure_card(draft, TODAY, made_by="test")
    change_numbers(draft, {"name": "Ours", "odds_at_anchor": 9}, by=draft.created_by, as_of=TODAY)
    assert all(gate.report for gate in gates(Scorecard.objects.get(pk=draft.pk), TODAY))
    change_numbers(draft, {"base_points": draft.base_points - 1}, by=draft.created_by, as_of=TODAY)
    assert not any(gate.report for gate in gates(Scorecard.objects.get(pk=draft.pk), TODAY))
