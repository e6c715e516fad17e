"""The sample files of docs/samples go in with the shipped mappings, as docs/imports.md says."""

from datetime import date
from pathlib import Path

import pytest
from django.utils import translation

from customers.imports.problems import ImportRefused
from customers.imports.setup import find_mapping
from customers.ledger.checking import check_ledger
from customers.models import Instalment, Invoice, Payment

from .conftest import SETTLED, codes, take

pytestmark = pytest.mark.django_db
SAMPLES = Path(__file__).resolve().parents[3] / "docs" / "samples"


def open_by_number():
    rows = Instalment.objects.order_by("invoice__number", "number")
    return {(n, i): o for n, i, o in rows.values_list("invoice__number", "number", "open_amount")}


def test_open_items():
    report = take(SAMPLES / "open-items.csv", find_mapping("open-items"), snapshot_on=date(2026, 10, 31))
    assert codes(report) == [] and report.counts["customers"] == 2
    assert open_by_number() == {
        ("2026-0077", 1): 12000,
        ("2026-0412", 1): 420000,
        ("2026-0498", 1): 99000,
        ("2026-0533", 1): 85050,
    }
    assert list(check_ledger()) == []


def test_transactions():
    report = take(SAMPLES / "transactions.csv", find_mapping("transactions"))
    assert codes(report) == []
    assert open_by_number() == {
        ("2026-0601", 1): 0,
        ("2026-0601", 2): 30000,
        ("2026-0602", 1): 0,
        ("2026-G012", 1): 0,
    }
    assert Payment.objects.get(key="BANK-772").open_amount.minor == 5000
    assert set(Invoice.objects.values_list("account__customer__name", "delivery")) == {
        ("Atelier Morin", "electronic"),
        ("Nordwerk", "paper"),
    }
    assert list(check_ledger()) == []


def test_a_wrong_mapping_names_the_key_and_the_cure(mapping, csv_file):
    wrong = mapping("settled", SETTLED, dates=["soon"])
    with translation.override("en"), pytest.raises(ImportRefused, match="dates: soon is not a date format"):
        take(csv_file(["customer"], []), wrong)
