"""Credit agencies in the score: which report counts and until when, who said it, and that no worse word raises a score."""

from __future__ import annotations

import random
from copy import deepcopy
from datetime import date, timedelta

import numpy as np
import pytest
from django.urls import reverse
from django.utils import timezone

from creditdesk.core.facts import View
from customers.bureau.bases import revoke_basis
from customers.merging import merge_customers
from customers.models import (
    BureauBasis,
    BureauProvider,
    BureauReport,
    LegalEvent,
    Promise,
    PromiseMove,
)
from scoring import default_card_3, default_thin_card_2, default_thin_card_3
from scoring.agency_words import agency_limits
from scoring.card import activate, active_cards, as_card, problems
from scoring.completeness import completeness
from scoring.counterfactual import WouldLift, better_bins
from scoring.default_card import build_bins
from scoring.default_thin_card import ensure_thin_card
from scoring.engine import compute, rescore
from scoring.evidence import scored_by
from scoring.explain import explain
from scoring.lifting import bin_sentences
from scoring.models import AccountScore, Scorecard, ScorecardBin, ScoreHistory
from scoring.newer_cards import OFFERS, add_newer_cards, offers
from scoring.replay import replay
from scoring.signals import BY_NAME, SIGNALS, Family
from scoring.statement import Scope
from scoring.stored import points_of
from tests.desk_world import client_of
from tests.factories import ACTOR, history, invoice, make_account, make_company
from tests.scoring.fitting.rows import made

pytestmark = pytest.mark.django_db
AS_OF = date(2026, 3, 16)
NAMES = [s.name for s in SIGNALS if s.family == Family.BUREAU]


def report(account, on: date = AS_OF, *, provider: str = "alpha", known_on: date | None = None, **figures):
    outcome = "rated" if figures.get("standing") is not None else figures.pop("outcome", "unrated")
    return BureauReport.objects.create(
        customer=account.customer,
        provider=provider,
        effective_on=on,
        known_on=known_on or on,
        outcome=outcome,
        **figures,
    )


def draft(table) -> Scorecard:
    """A card of the product, in use nowhere but for the thin one that ships."""
    found = Scorecard.objects.filter(name=table.NAME).first()
    if found is None:
        code, kind = ("expert", "full") if table is default_card_3 else ("thin-expert", "thin")
        found = Scorecard.objects.create(
            code=code, kind=kind, name=table.NAME, version=table.VERSION, base_points=table.BASE_POINTS
        )
        ScorecardBin.objects.bulk_create(build_bins(found, table.BINS))
    return found


def said(account, as_of: date = AS_OF, view: View | None = None, card=None) -> AccountScore:
    return next(iter(compute(as_of, Scope.of([account.pk]), view or View(), card=card)))


@pytest.fixture(scope="module")
def kept_company(module_database):
    return make_company("rated", complete_through=AS_OF)


@pytest.fixture
def company(kept_company, db):
    return deepcopy(kept_company)


@pytest.fixture
def account(company):
    return make_account(company)


def paid_well(account) -> None:
    issued = [AS_OF - timedelta(days=100 + 20 * n) for n in range(5)]
    history(account, [("100", day, 30, day + timedelta(days=30)) for day in issued])


def test_newer_cards_come_as_sound_drafts_when_asked_for(cast, monkeypatch):
    """A new installation has the newest thin card; one of before keeps its own and is offered what came since."""
    before = active_cards()
    assert Scorecard.objects.get(pk=before.thin.pk).name == default_thin_card_3.NAME
    monkeypatch.setattr(default_thin_card_3, "NAME", "One that came since")
    assert ensure_thin_card().pk == before.thin.pk and Scorecard.objects.filter(kind="thin").count() == 1
    client = client_of(cast.manager)
    shown = client.get(reverse("scorecards:list")).content.decode()
    assert all(offer.name in shown for offer in OFFERS) and "Add as drafts" in shown
    for _twice in range(2):
        assert client.post(reverse("scorecards:newer_cards")).status_code == 302
    assert "Add as drafts" not in client.get(reverse("scorecards:list")).content.decode()
    assert add_newer_cards(by=cast.manager, as_of=AS_OF) == []
    for table in (default_card_3, default_thin_card_3):
        card = Scorecard.objects.get(name=table.NAME)
        assert (card.status, card.is_shipped) == ("draft", False)
        assert problems(as_card(card, list(card.bins.all()))) == []
        assert all(BY_NAME[name].carries_points for name in table.BINS)
    # A draft keeps what it came as under another name; thrown away, it is offered again.
    Scorecard.objects.filter(name=default_card_3.NAME).update(name="Ours")
    assert offers() == []
    Scorecard.objects.get(name="Ours").delete()
    assert [offer.name for offer in offers()] == [default_card_3.NAME]
    assert active_cards() == before and not set(NAMES) & {*before.full.bins}


def _reports(rng: random.Random) -> list[dict]:
    found = {}
    for _n in range(rng.randrange(1, 6)):
        on = AS_OF - timedelta(days=rng.choice((0, 1, 40, 300, 365, 400, 600, 729, 730, 900)))
        found[rng.choice("ab"), on] = {
            "standing": rng.choice((None, rng.randrange(101))),
            "pd_basis_points": rng.choice((None, rng.randrange(4000))),
            "days_beyond_terms": rng.choice((None, rng.randrange(-5, 40))),
            "activity": rng.choice(("active", "active", "unknown", "dormant")),
        }
    return [{"provider": provider, "on": on, **figures} for (provider, on), figures in found.items()]


def _worse(reports: list[dict], rng: random.Random) -> list[dict]:
    """One figure of one report made worse; or a further agency that says what is known or worse."""
    worse = [dict(one) for one in reports]
    one = rng.choice(worse)
    stated = [f for f in ("standing", "pd_basis_points", "days_beyond_terms") if one[f] is not None]
    if stated and rng.random() < 0.7:
        field = rng.choice(stated)
        one[field] = (
            rng.randrange(one[field] + 1) if field == "standing" else one[field] + rng.randrange(1, 50)
        )
    elif one["activity"] != "unknown":
        one["activity"] = {"active": "dormant", "dormant": "ceased"}[one["activity"]]
    else:
        worse.append({**one, "provider": "c"})
    return worse


def test_no_worse_word_of_an_agency_ever_raises_a_score(company):
    """Forty pairs of customers who differ by one worse fact, with and without a history, scored by both cards at once."""
    rng, pairs = random.Random(6), []
    for n in range(40):
        drawn, deep = _reports(rng), n % 12 == 0
        pair = []
        for reports in (drawn, _worse(drawn, rng)):
            account = make_account(company)
            if deep:
                paid_well(account)
            for one in reports:
                report(account, **one)
            pair.append(account.pk)
        pairs.append(pair)
    for table in (default_card_3, default_thin_card_2, default_thin_card_3):
        rows = {row.account_id: row for row in compute(AS_OF, card=draft(table))}
        assert all(rows[worse].score <= rows[better].score for better, worse in pairs)
        assert any(rows[worse].score < rows[better].score for better, worse in pairs)
        assert all(rows[worse].card_id == rows[better].card_id for better, worse in pairs)


def _paid_late(account) -> None:
    issued = [AS_OF - timedelta(days=300 + n) for n in range(3)]
    history(account, [("100", day, 30, day + timedelta(days=130)) for day in issued])


def _owes(account) -> None:
    """Since so long ago that nothing has fallen due within the year."""
    invoice(account, "100", AS_OF - timedelta(days=500))


def _broke_promises(account) -> None:
    for n in (20, 40):
        day = AS_OF - timedelta(days=n)
        given = {"currency": "EUR", "amount": 100, "due_on": day, "judged_on": day, "known_on": day}
        given |= {"status": "broken", "resolved_on": day, "effective_on": day - timedelta(days=9)}
        promise = Promise.objects.create(account=account, **given)
        moved = {"from_status": "open", "to_status": "broken", "kept_amount": 0}
        PromiseMove.objects.create(promise=promise, effective_on=day, known_on=day, **moved)


def _was_protested(account) -> None:
    day = AS_OF - timedelta(days=30)
    LegalEvent.objects.create(customer=account.customer, kind="protest", effective_on=day, known_on=day)


def test_no_first_report_erases_what_is_known_of_payments(company):
    """None, the worst, the best, for accounts of which bad things are known. Card 2 leaves late payments to the full card,
    card 3 reads them itself."""
    known = {
        "nothing": (),
        "late": (_paid_late,),
        "owes": (_owes,),
        "late and promises": (_paid_late, _broke_promises),
        "promises": (_broke_promises,),
        "protested": (_was_protested,),
        "all old": (_owes, _broke_promises, _was_protested),
    }
    accounts = {}
    for name, facts in known.items():
        for standing in (None, 5, 35, 90):
            accounts[name, standing] = account = make_account(company)
            for fact in facts:
                fact(account)
            if standing is not None:
                report(account, standing=standing)
    for table in (default_thin_card_2, default_thin_card_3):
        thin = draft(table)
        rows = {row.account_id: row for row in compute(AS_OF, card=thin)}
        found = {place: rows[account.pk] for place, account in accounts.items()}
        score = {place: row.score for place, row in found.items()}
        for name in known:
            assert score[name, None] >= score[name, 35] >= score[name, 5], name
            of_thin = {standing for standing in (None, 5, 35, 90) if found[name, standing].card_id == thin.pk}
            left = "late" in name and table is default_thin_card_2
            assert of_thin == (set() if left else {5, 35, 90}), name
            if name != "nothing" and of_thin:
                assert all(score[name, standing] < score["nothing", standing] for standing in of_thin), name
        assert all(score["all old", s] < min(score["owes", s], score["promises", s]) for s in (5, 35, 90))


def test_the_newest_of_each_agency_and_of_several_the_worst(account):
    report(account, AS_OF - timedelta(days=365), standing=80, pd_basis_points=90)
    report(account, standing=55, activity="active")
    report(
        account,
        AS_OF - timedelta(days=30),
        provider="beta",
        standing=40,
        days_beyond_terms=12,
        activity="dormant",
    )
    report(account, AS_OF - timedelta(days=1), provider="beta", outcome="not_found")
    row = said(account)
    assert {name.removeprefix("bureau_"): getattr(row, name) for name in NAMES} == {
        "standing": 40,
        "pd": 0.009,
        "days_beyond_terms": 12,
        "inactive": 1,
        "ceased": 0,
        "fall_12m": 25,
        "report_age_months": 0,
        "apart": 15,
        "agencies": 2,
        "not_found": 0,
    }


def test_a_report_counts_from_its_day_for_24_months_and_as_it_was_known(account):
    on = date(2025, 1, 10)
    wrong = report(account, on, standing=70, known_on=on + timedelta(days=5))

    def standing(as_of: date, view: View | None = None):
        return said(account, as_of, view).bureau_standing

    last = on + timedelta(days=729)
    assert [standing(day) for day in (on - timedelta(days=1), on, last, last + timedelta(days=1))] == [
        None,
        70,
        70,
        None,
    ]
    corrected, before = on + timedelta(days=60), timezone.now()
    BureauReport.objects.filter(pk=wrong.pk).update(known_until=corrected, superseded_at=timezone.now())
    report(account, on, standing=30, known_on=corrected)
    assert standing(on) == standing(AS_OF) == 30
    for day, expected in ((on, None), (on + timedelta(days=5), 70), (corrected, 30)):
        assert standing(day, View(known_at=day)) == expected
    assert standing(AS_OF, View(recorded_by=before)) == 70


def test_merged_customers_are_judged_by_the_reports_of_both(cast):
    stays, goes = cast.account, make_account(cast.company, portfolio=cast.portfolio)
    report(stays, AS_OF - timedelta(days=90), standing=60)
    report(goes, AS_OF - timedelta(days=80), provider="beta", standing=20)
    merge_customers(stays.customer, goes.customer, by=cast.controller, reason="the same firm", on=AS_OF)
    assert said(stays).bureau_standing == 20
    assert said(stays, AS_OF, View(known_at=AS_OF - timedelta(days=1))).bureau_standing == 60


def test_of_a_natural_person_reports_count_only_under_a_legal_basis(company):
    person = make_account(company, kind="sole_trader")
    told = {"standing": 30, "currency": "EUR", "recommended_limit": 100_000}
    report(person, AS_OF - timedelta(days=20), recorded_at=timezone.now() - timedelta(days=1), **told)
    basis = BureauBasis.objects.create(
        customer=person.customer, ground="consent", reference="folder 7", effective_on=AS_OF - timedelta(days=9),
        known_on=AS_OF,
    )  # fmt: skip

    def read(as_of: date):
        rated = completeness([person], as_of)[person.pk].agencies
        limits = agency_limits([person.customer_id], as_of)
        return said(person, as_of).bureau_standing, rated is not None, len(limits)

    assert read(AS_OF - timedelta(days=10)) == (None, False, 0)
    assert read(AS_OF) == (30, True, 1)
    # A basis known later changes nothing of what a day knew.
    before = AS_OF - timedelta(days=1)
    for view in (View(known_at=before), View(recorded_by=basis.recorded_at - timedelta(seconds=1))):
        assert said(person, before, view).bureau_standing is None
        assert completeness([person], before, view)[person.pk].agencies is None
    assert agency_limits([person.customer_id], before) == {}
    revoke_basis(basis, actor=ACTOR, on=AS_OF + timedelta(days=1), reason="objected")
    assert (read(AS_OF), read(AS_OF + timedelta(days=1))) == ((30, True, 1), (None, False, 0))


def test_without_a_report_nothing_moves_and_old_scores_replay(account):
    paid_well(account)
    rescore(AS_OF)
    kept = ScoreHistory.objects.get()
    assert {getattr(kept, name) for name in NAMES} == {None}
    report(account, AS_OF - timedelta(days=10), standing=10, activity="ceased")
    assert replay(kept).is_exact and replay(AccountScore.objects.get()).is_exact
    # The card in use asks no agency: it tells them and gives no points.
    row = said(account)
    assert (row.bureau_standing, row.score) == (10, kept.score)
    assert said(account, card=draft(default_card_3)).score < row.score


def test_a_score_of_the_full_card_replays_after_a_thin_card_came_that_would_take_its_account(account):
    Scorecard.objects.filter(kind="thin").update(status="retired")
    report(account, standing=80)
    rescore(AS_OF)
    kept = ScoreHistory.objects.get()
    assert kept.card_id == active_cards().full.pk
    later = Scorecard.objects.create(code="later", kind="thin", version=1, base_points=60, is_shipped=True)
    ScorecardBin.objects.bulk_create(build_bins(later, default_thin_card_3.BINS))
    activate(later)
    assert said(account).card_id == later.pk
    assert replay(kept).is_exact and replay(AccountScore.objects.get()).is_exact


def test_a_thin_card_that_asks_agencies_stands_on_their_rating(company):
    rated, unrated, deep = (make_account(company) for _n in range(3))
    report(rated, standing=90, days_beyond_terms=0, activity="active")
    report(unrated, activity="active")
    report(deep, standing=90)
    paid_well(deep)
    card, full = draft(default_thin_card_2), active_cards().full
    rows = {row.account_id: row for row in compute(AS_OF, card=card)}
    assert {pk: row.card_id for pk, row in rows.items()} == {
        rated.pk: card.pk,
        unrated.pk: full.pk,
        deep.pk: full.pk,
    }
    row = rows[rated.pk]
    assert (row.recommendation, row.depth) == ("review", "none")
    ready = as_card(card, list(card.bins.all()))
    assert row.score == ready.base_points + sum(points_of(row, ready).values())
    assert active_cards().with_draft(ready).card_for({"due_count_12m": 0, "bureau_standing": 90}) is ready
    assert active_cards().with_draft(ready).card_for({"due_count_12m": 1, "bureau_standing": 90}) is full
    # A past observation is taken for the card that scored it, by the same rule.
    nothing = np.nan
    told = {
        "bureau_standing": [90, nothing, nothing, 90],
        "bank_history_days": [nothing, nothing, 400, nothing],
    }
    told["due_count_12m"] = [0, 0, 2, 2]
    obs, _true = made(customers=4, thin=1.0, **{name: np.resize(of, 16) for name, of in told.items()})
    assert scored_by(ready, obs).tolist() == [True, False, True, False] * 4
    # The one in use reads first payments as well: a rating is enough beside them.
    used = active_cards().thin
    assert {row.account_id for row in compute(AS_OF) if row.card_id == used.pk} == {rated.pk}
    assert active_cards().card_for({"due_count_12m": 3, "bureau_standing": 90}) is used
    assert active_cards().card_for({"due_count_12m": 4, "bureau_standing": 90}) is full
    assert scored_by(used, obs).tolist() == [True, False, True, True] * 4


def test_an_explanation_names_agency_and_days_and_does_not_promise_that_paying_helps(
    account, django_assert_num_queries
):
    BureauProvider.objects.create(slug="alpha", label="Alpha Ratings", adapter="json")
    paid_well(account)
    report(account, date(2025, 3, 2), standing=61)
    report(account, date(2026, 3, 3), standing=34, days_beyond_terms=20, activity="dormant")
    report(account, date(2026, 1, 5), provider="beta", standing=50)
    card = as_card(draft(default_card_3), list(draft(default_card_3).bins.all()))
    row = said(account, card=card)
    with django_assert_num_queries(1):
        why = explain(row, card)
    told = {item.name: item.sentence for item in why.items}
    assert told["bureau_standing"] == (
        "Rated 34 of 100 by Alpha Ratings on 3 Mar 2026 (61 on 2 Mar 2025); 50 of 100 by beta on 5 Jan 2026."
    )
    assert told["bureau_days_beyond_terms"] == (
        "As Alpha Ratings saw it on 3 Mar 2026, it pays others 20 days after they are due."
    )
    assert told["bureau_inactive"] == "Alpha Ratings said on 3 Mar 2026 that its business is dormant."
    lifts = WouldLift(why.score, why.grade, tuple(better_bins(why, card)), None, None, None)
    told = bin_sentences(lifts)
    assert any("at least 40 of 100 instead of 34 of 100 (+1)" in text for text in told)
    assert "does not move when we are paid" in told[-1]
    with django_assert_num_queries(0):
        plain = explain(row, card, named=False)
    assert "Credit agencies rate it 34 of 100, where 100 is safest." in {i.sentence for i in plain.items}


def test_an_agency_that_knows_the_customer_counts_in_the_grid(account):
    def grid(as_of: date = AS_OF):
        return completeness([account], as_of)[account.pk]

    assert grid().agencies is None
    report(account, AS_OF - timedelta(days=400), outcome="not_found")
    assert (grid().known, grid().letter, grid().agencies.is_known) == (0, "G", False)
    report(account, AS_OF - timedelta(days=10), standing=50)
    found = grid()
    assert ({a.code for a in found.answers if a.is_known}, found.letter) == ({"registers"}, "E")
    assert (found.agencies.is_known, found.agencies.fresh, found.agencies.newest) == (
        True,
        True,
        AS_OF - timedelta(days=10),
    )
    # A year later it is stale, before it nothing was known.
    later = AS_OF + timedelta(days=400)
    assert (grid(later).agencies.fresh, grid(later).letter) == (False, "F")
    assert grid(AS_OF - timedelta(days=11)).known == 0
