"""The backtest of one book of 450 invoices: stored once, replayed once for most tests."""

from __future__ import annotations

import json
from copy import deepcopy
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from django.core.cache import cache

from customers.ledger import InstalmentTerms, correct_document
from customers.models import Company, Invoice
from scoring import bygone, peers
from scoring.fitting.measures import auc
from scoring.invoices.fitting import fit_invoices, moments_at_issue
from scoring.invoices.history import History
from scoring.invoices.ledger import NEVER, Ledger
from scoring.peers import figures_on
from tests.factories import ACTOR, make_company

from .books import START, stored
from .test_backtest import UNTIL, backtest, rows_of, small

pytestmark = pytest.mark.django_db


class Book(NamedTuple):
    company: Company
    ledger: Ledger


class Run(NamedTuple):
    """text: the report, as JSON; path: its predictions; passes: days for which figures of peers were worked out."""

    text: str
    path: Path
    rows: list[dict[str, str]]
    passes: list[date]


@pytest.fixture(scope="module")
def kept_book(module_database):
    company, ledger = make_company(complete_through=date(2026, 1, 1)), small()
    stored(company, ledger, through=START.toordinal() + 700)
    return Book(company, ledger)


@pytest.fixture
def book(kept_book, db):
    cache.clear()
    return deepcopy(kept_book)


@pytest.fixture(scope="module")
def run(kept_book, django_db_blocker, tmp_path_factory):
    """Of the book as it was stored."""
    path, passes = tmp_path_factory.mktemp("backtest") / "predictions.csv", []
    cache.clear()
    with pytest.MonkeyPatch.context() as patch, django_db_blocker.unblock():
        patch.setattr(
            peers, "figures_on", lambda day, *a, **k: passes.append(day) or figures_on(day, *a, **k)
        )
        patch.setattr(bygone, "MINUTES", 0)
        text = backtest("--format", "json", "--predictions", str(path))
    return Run(text, path, rows_of(path), passes)


def test_report_and_predictions(book, run):
    report, ledger, passes = json.loads(run.text), book.ledger, run.passes
    tests = ledger.issued >= UNTIL.toordinal()
    # A hundred days of issue in fifteen weeks, and the few days of the accounts' part.
    assert 10 < len(passes) < 25, "one pass per week of the test, not one per day"
    found = report["invoices"]
    assert found["tested"]["invoices"] == tests.sum() == report["predictions"]["rows"]
    late = found["targets"]["late"]
    assert late["events"] == ((ledger.paid - ledger.due)[tests] > 0).sum() and late["undecided"] == 0
    assert set(late["models"]) == {"challenger", "mean_days_late", "portfolio_rate", "current_card"}
    for model in late["models"].values():
        low, high = model["auc"]["interval"]
        assert low <= model["auc"]["value"] <= high
        assert model["gini"]["value"] == pytest.approx(2 * model["auc"]["value"] - 1)
    assert late["models"]["portfolio_rate"]["auc"]["value"] == 0.5
    assert sum(row["count"] for row in late["calibration"]) == tests.sum()
    together = late["calibration_together"]
    assert together["parts"] == len(late["calibration"]) and together["customers"] > 5
    assert together["agrees"] == (together["p_value"] >= 0.05)
    assert found["psi"]["reading"] in {"stable", "watch", "shift"}
    assert 0 <= found["overdue"]["late_15"]["share_of_loss_in_top_fifth"]["challenger"]["value"] <= 1
    assert "refused" in report["accounts"] or report["accounts"]
    rows = run.rows
    assert list(rows[0]) == [
        "customer",
        "invoice",
        "as_of",
        "p_late",
        "p_late_15",
        "p_late_30",
        "expected_days_late",
    ]
    assert {r["invoice"] for r in rows} == {f"N-{n}" for n in np.flatnonzero(tests)}
    assert all(
        1
        >= float(r["p_late"])
        >= float(r["p_late_15"])
        >= float(r["p_late_30"])
        >= 0
        <= float(r["expected_days_late"])
        for r in rows
    )
    truth = {f"N-{n}": ledger.paid[n] > ledger.due[n] for n in np.flatnonzero(tests)}
    again = auc([truth[r["invoice"]] for r in rows], [float(r["p_late"]) for r in rows])
    assert again == pytest.approx(late["models"]["challenger"]["auc"]["value"], abs=1e-4)
    codes = dict(Invoice.objects.values_list("number", "account__customer__code"))
    issued = dict(Invoice.objects.values_list("number", "effective_on"))
    assert all(
        codes[r["invoice"]] == r["customer"] and issued[r["invoice"]].isoformat() == r["as_of"] for r in rows
    )


def test_predictions_use_nothing_known_later(book, run):
    """The same book read on the last test day: what happened since must not have been used."""
    ledger = book.ledger
    whole = {r["invoice"]: r["p_late"] for r in run.rows}
    early = np.flatnonzero(ledger.issued >= UNTIL.toordinal())[:40]
    last = int(ledger.issued[early].max())
    cut = Ledger.of(
        account=ledger.account,
        issued=ledger.issued,
        due=ledger.due,
        amount=ledger.amount,
        paid=np.where(ledger.paid > last, NEVER, ledger.paid),
    )
    minor = np.maximum(np.round(cut.amount * 100), 1) / 100
    cut = Ledger.of(account=cut.account, issued=cut.issued, due=cut.due, amount=minor, paid=cut.paid)
    # Customers are left out by lot of their number: the numbers of the database.
    stored = dict(Invoice.objects.values_list("number", "account_id"))
    numbers = {int(ledger.account[n]): stored.get(f"N-{n}", -1) for n in range(len(ledger))}
    model = fit_invoices(
        cut, UNTIL.toordinal(), payers=lambda account: np.array([numbers[a] for a in account.tolist()])
    )
    said = model.estimate(History(cut), moments_at_issue(cut, early))
    assert [float(whole[f"N-{n}"]) for n in early] == pytest.approx(said.late.tolist(), abs=2e-6)


def test_nothing_known_on_the_training_day_is_said_with_its_cure(book, tmp_path):
    early = {"until": START + timedelta(days=10), "start": START + timedelta(days=10)}
    path = tmp_path / "p.csv"
    report = json.loads(backtest("--format", "json", "--predictions", str(path), **early))
    assert "--train-until" in report["invoices"]["refused"] and rows_of(path) == []


def test_a_corrected_invoice_is_predicted_once(book, run, tmp_path):
    """As it was known on its day of issue; judged by what became of its last version."""
    path, before = tmp_path / "p.csv", run.rows
    invoice = Invoice.objects.get(number=before[0]["invoice"])
    row = invoice.instalments.get()
    correct_document(
        invoice,
        instalments=[InstalmentTerms(row.due_on, Decimal(row.amount.minor * 3) / 100)],
        actor=ACTOR,
        corrected_on=invoice.effective_on + timedelta(days=3),
    )
    report = json.loads(backtest("--format", "json", "--predictions", str(path)))["invoices"]
    assert rows_of(path)[:1] == before[:1]
    assert [r["invoice"] for r in rows_of(path)] == [r["invoice"] for r in before]
    assert report["targets"]["late"]["rows"] + report["targets"]["late"]["undecided"] == len(before)


def test_a_correction_into_other_instalments_is_still_one_row(book, tmp_path):
    """One into two, then two into one: seen as it was issued, judged by the newest version."""
    ledger = book.ledger
    path = tmp_path / "p.csv"
    tests = np.flatnonzero(ledger.issued >= UNTIL.toordinal())
    invoice = Invoice.objects.get(number=f"N-{tests[0]}")
    row = invoice.instalments.get()
    amount, due = Decimal(row.amount.minor) / 100, row.due_on
    for days, terms in (
        (3, [InstalmentTerms(due, amount), InstalmentTerms(due + timedelta(days=30), amount)]),
        (5, [InstalmentTerms(due + timedelta(days=10), amount * 3)]),
    ):
        day = row.effective_on + timedelta(days=days)
        invoice = correct_document(invoice, instalments=terms, actor=ACTOR, corrected_on=day)
    found = json.loads(backtest("--format", "json", "--predictions", str(path)))["invoices"]
    assert sorted(r["invoice"] for r in rows_of(path)) == sorted(f"N-{n}" for n in tests)
    assert found["tested"]["invoices"] == found["tested"]["instalments"] == tests.size


def test_ranges_of_customers_change_no_figure(book, run, monkeypatch):
    run.path.unlink()
    monkeypatch.setattr("scoring.invoices.backtest.AT_ONCE", 40)
    monkeypatch.setattr("scoring.invoices.history.BLOCK", 30)
    monkeypatch.setattr("scoring.invoices.tested.CHUNK", 7)
    monkeypatch.setattr("scoring.invoices.load.WINDOW", 50)
    assert backtest("--format", "json", "--predictions", str(run.path)) == run.text
    assert rows_of(run.path) == run.rows


def test_nothing_in_the_test_period(book):
    report = json.loads(
        backtest("--format", "json", start=date(2030, 1, 1), end=date(2030, 2, 1), until=date(2026, 1, 1))
    )
    assert "No invoice was issued" in report["invoices"]["refused"]
