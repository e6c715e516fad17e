"""The thin card: who is scored with it, what it says, and what a scoring pass leaves in the log of bank data."""

from __future__ import annotations

from datetime import date, timedelta
from io import StringIO
from itertools import product

import numpy as np
import pytest
from django.core.management import call_command

from creditdesk.core.audit import Actor
from creditdesk.core.money import Money
from customers.bank.consents import record_consent, revoke_consent
from customers.models import BankAccount, BankDataAccess, BankTransaction, FinancialStatement, LegalEvent
from scoring import evidence
from scoring.card import active_cards, as_card, problems, span_of
from scoring.decision_reasons import reasons_of
from scoring.decisions import decide
from scoring.default_terms import GRADES
from scoring.default_thin_card import EVIDENCE_FROM, ensure_thin_card
from scoring.default_thin_card_3 import BINS, NAME
from scoring.engine import compute, rescore
from scoring.evidence import discrimination, scored_by
from scoring.explain import explain
from scoring.fitting.observations import observe
from scoring.models import (
    AccountScore,
    Depth,
    Recommendation,
    Scorecard,
)
from scoring.monitoring import drift
from scoring.replay import replay
from scoring.reports import stability
from scoring.signals import BY_NAME
from scoring.stored import points_of
from scoring.tasks import score_accounts
from scoring.tryout import try_card
from tests.factories import ACTOR, history, invoice, make_account, make_company, pay
from tests.scoring.fitting.rows import made
from tests.scoring.versions_in_use import terms_policy

pytestmark = pytest.mark.django_db
AS_OF = date(2026, 11, 20)


def feed(account, *, days=200, drop=0, until=date(2099, 1, 1)):
    """A steady feed; from `drop` days before its end on, nothing comes in any more."""
    customer = account.customer
    consent = record_consent(
        customer, purpose="credit assessment", effective_on=date(2024, 1, 1), expires_on=until, actor=ACTOR
    )
    bank = BankAccount.objects.create(consent=consent, customer=customer, iban="IT1", currency="EUR")
    balance, rows = 300_000, []
    for n in range(days):
        left = days - n
        amount = -4_000 if n % 2 else (9_000 if left > drop else -4_000)
        balance += amount
        rows.append(
            BankTransaction(
                bank_account=bank,
                key=str(n),
                effective_on=AS_OF - timedelta(days=left - 1),
                known_on=AS_OF,
                amount=amount,
                balance=balance,
                counterparty=f"{n % 5}",
            )
        )
    BankTransaction.objects.bulk_create(rows)
    return consent


def scored(account):
    return next(row for row in compute(AS_OF) if row.account_id == account.pk)


@pytest.fixture
def company():
    return make_company(complete_through=AS_OF)


def test_it_is_a_right_card_of_all_that_is_known_and_installed_once():
    row = Scorecard.objects.get(kind=Scorecard.Kind.THIN, status=Scorecard.Status.ACTIVE)
    ready = as_card(row, list(row.bins.all()))
    assert problems(ready) == [] and row.name == NAME
    assert ensure_thin_card().pk == row.pk
    assert all(BY_NAME[name].carries_points and not BY_NAME[name].needs_depth for name in BINS)
    assert {"payment", "bank", "bureau", "accounts", "legal", "group"} <= {BY_NAME[n].family for n in BINS}
    assert row.calibration == "uncalibrated"
    # Nothing known is the middle, where a person decides: what is missing counts like the portfolio.
    nothing = sum(points for name, points in ready.missing.items())
    assert nothing == 0 and row.review_from <= row.base_points <= row.review_to
    # Whatever speaks for somebody, a debt more than 90 days overdue is never an A.
    best = span_of(ready)[1] - max(b.points for b in ready.bins["oldest_overdue_days"])
    assert best + ready.points_of("oldest_overdue_days", 91) < row.grade_a_from


def test_first_payments_speak_and_are_pulled_toward_the_portfolio(company):
    """0 to 3 instalments paid in time, 20 or 60 days late or never, all with the same bank data; and what four of the
    kind, a history of its own, are worth."""
    thin, full = active_cards().thin, active_cards().full
    accounts = {}
    for late, count in [(0, 0), *product((0, 20, 60, None), (1, 3, 4))]:
        accounts[late, count] = account = make_account(company)
        feed(account, days=100)
        for n in range(count):
            due = AS_OF - timedelta(days=70 + 22 * n)
            issued = invoice(account, "100.00", due - timedelta(days=30))
            if late is not None:
                pay(issued, due + timedelta(days=late))
    rows = {row.account_id: row for row in compute(AS_OF)}

    def payments(late, count):
        row = rows[accounts[late, count].pk]
        card = full if count == 4 else thin
        assert (row.card_id, row.depth) == (card.pk, {0: "none", 4: "full"}.get(count, "thin"))
        return row.score, sum(p for n, p in points_of(row, card).items() if BY_NAME[n].family == "payment")

    middle = payments(0, 0)
    # A payer like the portfolio: the points of the full card where the averages are missing.
    portfolio = sum(full.missing[n] for n in full.bins if BY_NAME[n].needs_depth)
    for count in (1, 3):
        told = [payments(late, count) for late in (0, 20, 60, None)]
        assert [score for score, _points in told] == sorted((score for score, _p in told), reverse=True)
        assert told[0][0] > middle[0] > told[-1][0]
        for late, (_score, points) in zip((0, 60, None), (told[0], told[2], told[3]), strict=True):
            few, own = points - middle[1], payments(late, 4)[1] - portfolio
            assert few * own >= 0 and abs(few) < abs(own), (late, count)
    good, bad = ([payments(0, 0)[0], *(payments(late, n)[0] for n in (1, 3))] for late in (0, None))
    assert good == sorted(good) and bad == sorted(bad, reverse=True)


def test_a_thin_card_is_measured_on_the_files_it_scores_only(company, monkeypatch):
    """Of thin files those without bank data or a rating are the full card's, whatever became of them."""
    row = Scorecard.objects.get(kind=Scorecard.Kind.THIN, status=Scorecard.Status.ACTIVE)
    days = np.tile(np.where(np.arange(200) % 2, np.nan, 200.0), 4)
    obs, _true = made(customers=200, thin=0.5, level=-0.5, bank_history_days=days)
    monkeypatch.setattr(evidence, "ledger_span", lambda: (date(2020, 1, 1), AS_OF))
    monkeypatch.setattr(evidence, "observe", lambda days, reader=None: obs)
    found = discrimination(row)
    priced = obs.thin & (obs.customer % 2 == 1)
    assert found["observations"] == int(priced.sum()) < int(obs.thin.sum())
    assert scored_by(active_cards().full, obs).tolist() == (~priced).tolist()
    # Stability and try-out speak of them, too, and not of everybody else's score, which does not move.
    known, other = make_account(company), make_account(company)
    feed(known)
    invoice(other, "100.00", AS_OF - timedelta(days=60))
    told = stability(row, AS_OF, before=AS_OF)
    assert told["accounts_now"] == 1
    assert try_card(row, AS_OF)["against"] == row.pk


def test_it_scores_where_history_is_thin_and_bank_data_are_enough(company):
    cards = active_cards()
    known, short, deep = (make_account(company) for _ in range(3))
    feed(known)
    feed(short, days=EVIDENCE_FROM - 1)
    feed(deep)
    issued = [AS_OF - timedelta(days=100 + 20 * n) for n in range(5)]
    history(deep, [("100.00", day, 30, day + timedelta(days=30)) for day in issued])
    assert scored(known).card_id == cards.thin.pk
    assert scored(short).card_id == cards.full.pk
    assert scored(deep).card_id == cards.full.pk
    assert scored(make_account(company)).card_id == cards.full.pk


def test_it_never_pretends_and_its_points_add_up(company):
    good, bad = make_account(company), make_account(company)
    feed(good)
    feed(bad, drop=90)
    better, worse = scored(good), scored(bad)
    assert better.score > worse.score + 10
    thin = active_cards().thin
    for row in (better, worse):
        assert row.score == thin.base_points + sum(points_of(row, thin).values())
        assert row.recommendation == Recommendation.REVIEW
        assert row.depth == Depth.NONE
    rescore(AS_OF)
    why = explain(AccountScore.objects.get(account=bad))
    assert any("months" in item.sentence or "balance" in item.sentence for item in why.hurting)


def test_revoking_takes_the_bank_data_out_of_the_next_score(company):
    account = make_account(company)
    consent = feed(account)
    assert scored(account).bank_history_days == 200
    revoke_consent(consent, by=ACTOR, reason="asked", on=AS_OF)
    row = scored(account)
    assert row.bank_history_days is None
    assert row.card_id == active_cards().full.pk


def test_a_pass_that_reads_bank_data_is_logged_once(company):
    account = make_account(company)
    score_accounts(AS_OF, account.pk, account.pk, actor=Actor.job("nightly"))
    assert not BankDataAccess.objects.exists()
    feed(account)
    score_accounts(AS_OF, 0, account.pk + 10, actor=Actor.job("nightly"))
    row = BankDataAccess.objects.get()
    assert (row.what, row.purpose, row.customer, row.actor_name) == ("scoring", "scoring", None, "nightly")
    assert row.data["customers"] == 1


def test_passes_that_keep_no_score_are_logged_once_each(company):
    account = make_account(company)
    card = Scorecard.objects.get(status=Scorecard.Status.ACTIVE, kind=Scorecard.Kind.FULL)
    try_card(card, AS_OF)
    assert not BankDataAccess.objects.exists()
    feed(account)
    row = scored(account)
    passes = {
        "try-out": lambda: try_card(card, AS_OF),
        "stability": lambda: stability(card, AS_OF),
        "monitoring": lambda: drift(AS_OF - timedelta(days=30), AS_OF),
        "replay": lambda: replay(row),
        "score": lambda: call_command("score", "--as-of", AS_OF.isoformat(), stdout=StringIO()),
        "learning from the past": lambda: observe([AS_OF - timedelta(days=400), AS_OF]),
    }
    for name, run in passes.items():
        before = BankDataAccess.objects.count()
        run()
        assert BankDataAccess.objects.count() == before + 1, name
        assert BankDataAccess.objects.filter(actor_name=name).count() == 1


def accounts_of(account, **figures):
    """Annual accounts that stand (the worked example of Altman's Z'': 2.87)."""
    known = {
        "total_assets": 1000,
        "current_assets": 350,
        "current_liabilities": 200,
        "retained_earnings": 200,
        "ebit": 80,
        "equity": 400,
        "total_liabilities": 600,
    } | figures
    return FinancialStatement.objects.create(
        customer=account.customer,
        currency="EUR",
        months=12,
        effective_on=AS_OF - timedelta(days=200),
        known_on=AS_OF - timedelta(days=100),
        **{name: amount * 100_000 for name, amount in known.items()},
    )


def test_a_prospect_is_approved_by_rule_only_where_everything_speaks_for_it(company):
    """Within the amount of the terms policy; what is missing is told, and a person decides."""
    good, no_books, weak, adverse = (make_account(company) for _ in range(4))
    person = make_account(company, kind="sole_trader")
    for account in (good, no_books, weak, adverse, person):
        feed(account)
    for account in (good, adverse, person):
        accounts_of(account)
    accounts_of(weak, ebit=-80, retained_earnings=-100)
    LegalEvent.objects.create(
        customer=adverse.customer, kind="protest", effective_on=AS_OF - timedelta(days=40), known_on=AS_OF
    )
    rescore(AS_OF)

    def decided(account, amount):
        made = decide(account, AS_OF, asked_by=ACTOR, requested=Money.of(amount, "EUR"))
        missing = next(
            (r["params"]["missing"] for r in made.reasons if r["code"] == "prospect_for_person"), None
        )
        return made, made.outcome, missing

    made, outcome, _missing = decided(good, 500)
    assert outcome in ("approved", "guarantees") and made.limit == Money.of(500, "EUR"), made.reasons
    assert made.by_kind == "rules" and "prospect_by_rule" in {r["code"] for r in made.reasons}
    assert "accounts, bank flows" in reasons_of(made)[0].text
    assert decided(good, 10_001)[1:] == ("review", ["amount"])
    assert decided(no_books, 500)[1:] == ("review", ["no_accounts"])
    assert decided(weak, 500)[1:] == ("review", ["weak_accounts"])
    made, outcome, missing = decided(adverse, 500)
    assert outcome == "review" and missing[0] == "adverse_event"
    assert decided(person, 500)[1:] == ("review", None)
    # The grade, the accounts and the amount are data; without an amount a person decides always.
    policies = (
        ({"prospect_amount": 2_000_000, "prospect_z": 3}, ["weak_accounts"]),
        ({"prospect_amount": None}, None),
    )
    for terms, missing in policies:
        terms_policy(None, GRADES, **terms)
        assert decided(good, 500)[1:] == ("review", missing)
