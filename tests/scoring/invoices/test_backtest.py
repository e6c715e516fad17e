"""The command: its figures, its predictions file, and that it can be neither fooled nor broken."""

from __future__ import annotations

import csv
import json
from datetime import date, timedelta
from io import StringIO

import numpy as np
import pytest
from django.core.management import CommandError, call_command

from scoring.invoices.ledger import NEVER, Ledger, beyond
from scoring.invoices.tested import Versions, final_delays
from tests.factories import make_account, make_company

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


@pytest.mark.any_database
def test_open_test_invoices_are_predicted_but_not_scored(company, tmp_path):
    ledger = small(seed=9)
    stored(company, ledger, through=END.toordinal())
    path = tmp_path / "predictions.csv"
    late = json.loads(backtest("--format", "json", "--predictions", str(path)))["invoices"]["targets"]["late"]
    assert late["undecided"] > 0
    assert late["rows"] + late["undecided"] == len(rows_of(path))


@pytest.mark.any_database
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


def test_what_nobody_knows_any_more_is_not_judged():
    """Corrected away without a successor: neither late nor on time."""
    ledger = Ledger.of(
        account=[1, 1], issued=[1000, 1000], due=[1030, 1030], amount=[1, 1], paid=[NEVER, 1020],
        until=[1010, NEVER],
    )  # fmt: skip
    told = Versions(ledger.row, np.ones(2, dtype=bool), np.zeros(2, dtype=np.int64))
    low, high = final_delays(ledger, told, np.array([0, 1]))
    assert np.isnan(beyond(low, high, 0)).tolist() == [True, False]


def test_a_file_that_cannot_be_written(company, tmp_path):
    """It is told before the work; nor is a file half written."""
    for path in (tmp_path / "none" / "p.csv", tmp_path):
        with pytest.raises(CommandError, match="cannot be written"):
            backtest("--predictions", str(path))
    assert list(tmp_path.iterdir()) == []
