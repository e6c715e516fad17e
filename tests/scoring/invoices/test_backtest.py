"""The command: its figures, its predictions file, and that it can be neither fooled nor broken."""

from __future__ import annotations

import csv
import json
from datetime import date, timedelta
from decimal import Decimal
from io import StringIO

import numpy as np
import pytest
from django.core.management import CommandError, call_command

from customers.ledger import InstalmentTerms, correct_document
from customers.models import Invoice
from scoring import bygone, peers
from scoring.fitting.measures import auc
from scoring.invoices.ledger import NEVER, Ledger, beyond
from scoring.invoices.tested import Versions, final_delays
from scoring.peers import figures_on
from tests.factories import ACTOR, make_account, make_company

from .books import START, made, stored

pytestmark = pytest.mark.django_db
UNTIL = START + timedelta(days=200)
END = START + timedelta(days=299)


def small(seed=7, **more):
    return made(seed=seed, payers=25, invoices=450, days=300, **more)


@pytest.fixture
def company():
    return make_company(complete_through=date(2026, 1, 1))


def backtest(*arguments, until=UNTIL, start=UNTIL, end=END):
    out = StringIO()
    call_command(
        "backtest",
        *("--train-until", until.isoformat(), "--test-from", start.isoformat()),
        *("--test-to", end.isoformat(), "--draws", "40", *arguments),
        stdout=out,
    )
    return out.getvalue()


def rows_of(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def test_report_and_predictions(company, tmp_path, monkeypatch):
    ledger = small()
    stored(company, ledger, through=START.toordinal() + 700)
    passes = []
    monkeypatch.setattr(
        peers, "figures_on", lambda day, *a, **k: passes.append(day) or figures_on(day, *a, **k)
    )
    monkeypatch.setattr(bygone, "MINUTES", 0)
    path = tmp_path / "predictions.csv"
    report = json.loads(backtest("--format", "json", "--predictions", str(path)))
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
    assert found["psi"]["reading"] in {"stable", "watch", "shift"}
    assert 0 <= found["overdue"]["late_15"]["share_of_loss_in_top_fifth"]["challenger"]["value"] <= 1
    assert "refused" in report["accounts"] or report["accounts"]
    rows = rows_of(path)
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


def test_predictions_use_nothing_known_later(company, tmp_path):
    """The same book read on the last test day: what happened since must not have been used."""
    ledger = small(seed=8)
    stored(company, ledger, through=START.toordinal() + 700)
    backtest("--predictions", str(tmp_path / "all.csv"))
    whole = {r["invoice"]: r["p_late"] for r in rows_of(tmp_path / "all.csv")}
    early = np.flatnonzero(ledger.issued >= UNTIL.toordinal())[:40]
    last = int(ledger.issued[early].max())
    cut = Ledger.of(
        account=ledger.account,
        issued=ledger.issued,
        due=ledger.due,
        amount=ledger.amount,
        paid=np.where(ledger.paid > last, NEVER, ledger.paid),
    )
    from scoring.invoices.fitting import fit_invoices, moments_at_issue
    from scoring.invoices.history import History

    minor = np.maximum(np.round(cut.amount * 100), 1) / 100
    cut = Ledger.of(account=cut.account, issued=cut.issued, due=cut.due, amount=minor, paid=cut.paid)
    model = fit_invoices(cut, UNTIL.toordinal())
    said = model.estimate(History(cut), moments_at_issue(cut, early))
    assert [float(whole[f"N-{n}"]) for n in early] == pytest.approx(said.late.tolist(), abs=2e-6)


def test_open_test_invoices_are_predicted_but_not_scored(company, tmp_path):
    ledger = small(seed=9)
    stored(company, ledger, through=END.toordinal())
    path = tmp_path / "predictions.csv"
    late = json.loads(backtest("--format", "json", "--predictions", str(path)))["invoices"]["targets"]["late"]
    assert late["undecided"] > 0
    assert late["rows"] + late["undecided"] == len(rows_of(path))


def test_a_book_without_late_invoices_is_said_and_predicted(company, tmp_path):
    ledger = small()
    prompt = Ledger.of(
        account=ledger.account,
        issued=ledger.issued,
        due=ledger.due,
        amount=ledger.amount,
        paid=ledger.due - 1,
    )
    stored(company, prompt, through=START.toordinal() + 700)
    text = backtest("--predictions", str(tmp_path / "p.csv"))
    assert "0 of" in text and "own record blended" in text
    assert all(float(r["p_late"]) < 0.05 for r in rows_of(tmp_path / "p.csv"))


@pytest.mark.parametrize(
    ("dates", "words"),
    [
        ({"start": UNTIL - timedelta(days=1)}, "before the training ends"),
        ({"end": UNTIL - timedelta(days=1)}, "ends before it begins"),
    ],
)
def test_impossible_periods(company, dates, words):
    with pytest.raises(CommandError, match=words):
        backtest(**dates)


def test_no_ledger_and_a_tiny_one(company, tmp_path):
    """Thirty invoices carry no card: every one of the test is estimated from the records, and the report says so."""
    path = tmp_path / "p.csv"
    with pytest.raises(CommandError, match="holds no invoice"):
        backtest()
    make_account(company)
    ledger = made(seed=7, payers=5, invoices=30, days=300)
    stored(company, ledger, through=START.toordinal() + 700)
    report = json.loads(backtest("--format", "json", "--predictions", str(path)))["invoices"]
    for target in report["trained"]["at_issue"].values():
        assert not target["fitted"] and target["note"]
    rows = rows_of(path)
    assert len(rows) == (ledger.issued >= UNTIL.toordinal()).sum() == report["tested"]["invoices"] > 0
    for row in rows:
        chances = [float(row[name]) for name in ("p_late", "p_late_15", "p_late_30")]
        assert 1 > chances[0] >= chances[1] >= chances[2] > 0 and 0 < float(row["expected_days_late"]) < 60


def test_nothing_known_on_the_training_day_is_said_with_its_cure(company, tmp_path):
    ledger = small()
    stored(company, ledger, through=START.toordinal() + 700)
    early = {"until": START + timedelta(days=10), "start": START + timedelta(days=10)}
    path = tmp_path / "p.csv"
    report = json.loads(backtest("--format", "json", "--predictions", str(path), **early))
    assert "--train-until" in report["invoices"]["refused"] and rows_of(path) == []


def test_a_corrected_invoice_is_predicted_once(company, tmp_path):
    """As it was known on its day of issue; judged by what became of its last version."""
    ledger = small()
    stored(company, ledger, through=START.toordinal() + 700)
    path = tmp_path / "p.csv"
    backtest("--predictions", str(path))
    before = rows_of(path)
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


def test_a_correction_into_other_instalments_is_still_one_row(company, tmp_path):
    """One into two, then two into one: seen as it was issued, judged by the newest version."""
    ledger = small()
    stored(company, ledger, through=START.toordinal() + 700)
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


def test_what_nobody_knows_any_more_is_not_judged():
    """Corrected away without a successor: neither late nor on time."""
    ledger = Ledger.of(
        account=[1, 1], issued=[1000, 1000], due=[1030, 1030], amount=[1, 1], paid=[NEVER, 1020],
        until=[1010, NEVER],
    )  # fmt: skip
    told = Versions(ledger.row, np.ones(2, dtype=bool), np.zeros(2, dtype=np.int64))
    low, high = final_delays(ledger, told, np.array([0, 1]))
    assert np.isnan(beyond(low, high, 0)).tolist() == [True, False]


def test_ranges_of_customers_change_no_figure(company, monkeypatch, tmp_path):
    stored(company, small(), through=START.toordinal() + 700)
    path = tmp_path / "p.csv"
    whole, rows = backtest("--format", "json", "--predictions", str(path)), rows_of(path)
    monkeypatch.setattr("scoring.invoices.backtest.AT_ONCE", 40)
    monkeypatch.setattr("scoring.invoices.history.BLOCK", 30)
    monkeypatch.setattr("scoring.invoices.tested.CHUNK", 7)
    monkeypatch.setattr("scoring.invoices.load.WINDOW", 50)
    assert backtest("--format", "json", "--predictions", str(path)) == whole and rows_of(path) == rows


def test_nothing_in_the_test_period(company):
    stored(company, small(), through=START.toordinal() + 700)
    report = json.loads(
        backtest("--format", "json", start=date(2030, 1, 1), end=date(2030, 2, 1), until=date(2026, 1, 1))
    )
    assert "No invoice was issued" in report["invoices"]["refused"]


def test_a_file_that_cannot_be_written(company, tmp_path):
    """It is told before the work; nor is a file half written."""
    for path in (tmp_path / "none" / "p.csv", tmp_path):
        with pytest.raises(CommandError, match="cannot be written"):
            backtest("--predictions", str(path))
    assert list(tmp_path.iterdir()) == []
