"""Ledgers that cannot carry a PD: refused in words, with the counts, and nothing is left behind."""

import json
from datetime import date
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from scoring.fitting.account_backtest import account_report
from scoring.models import Scorecard
from tests.customers.imports.conftest import shared_data
from tests.factories import history, invoice, make_account, make_company, pay

pytestmark = pytest.mark.django_db


def refused(*arguments):
    out = StringIO()
    with pytest.raises(CommandError) as error:
        call_command("fit_scorecard", *arguments, stdout=out, stderr=StringIO())
    assert not Scorecard.objects.filter(code="fitted").exists()
    return str(error.value), out.getvalue()


def test_an_empty_database():
    text, _out = refused()
    assert "holds no invoice" in text and "import_ledger" in text


def test_a_ledger_that_is_too_short():
    company = make_company("short", complete_through=date(2025, 6, 1))
    pay(invoice(make_account(company), "100", date(2024, 3, 1)), date(2024, 3, 31))
    text, _out = refused()
    assert "from 2024-03-01" in text and "2025-06-01" in text


def test_a_ledger_where_everybody_pays():
    company = make_company("good", complete_through=date(2025, 12, 31))
    for _n in range(3):
        account = make_account(company)
        history(account, [("100", date(2024, month, 1), 30, date(2024, month, 28)) for month in range(1, 13)])
    text, out = refused("--format", "json")
    assert "0 of 3 customers defaulted" in text and "at least 30" in text
    found = json.loads(out)
    assert found["bad_customers"] == 0 and found["customers"] == 3 and found["needed"] == 30


def test_the_shared_ledger_holds_no_such_event():
    """The whole of it is settled within weeks: a 12-month PD has nothing to learn from."""
    call_command(
        "import_ledger", shared_data() / "accounts-receivable.csv", "--mapping", "ibm-watson", "--commit",
        stdout=StringIO(), stderr=StringIO(),
    )  # fmt: skip
    text, out = refused("--format", "json")
    assert "0 of 100 customers defaulted" in text
    assert json.loads(out)["bad_customers"] == 0
    report = account_report(date(2012, 12, 31), date(2012, 12, 31), date(2013, 1, 31))
    assert report["refused"] and "models" not in report


def test_fewer_than_two_events_is_no_number_to_ask_for():
    text, _out = refused("--min-events", "1")
    assert "2 at least" in text
