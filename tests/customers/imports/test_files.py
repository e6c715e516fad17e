"""Formats as sources send them: XLSX, encodings, delimiters, numbers, dates; and the messages' completeness."""

import random
from datetime import date, datetime

import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from customers.imports import problems
from customers.imports.columns import Amount, Bad, Day
from customers.imports.identifiers import clean_iban, clean_lei, clean_registration, clean_vat
from customers.imports.report import safe_cell
from customers.imports.setup import shipped_mappings
from customers.imports.spec import SpecError, parse_spec
from customers.ledger.checking import check_ledger
from customers.models import Allocation, Customer, Invoice, Payment, Source

from .conftest import SETTLED, TRANSACTIONS, codes, take
from .test_settled import GOOD, HEADER, OPEN, row


@pytest.mark.parametrize(
    ("decimal", "thousands", "text", "minor"),
    [
        (".", "", "12.5", 1250),
        (",", ".", "1.234,56", 123456),
        (",", ".", "1234,5", 123450),
        (",", "", "7", 700),
        (".", ",", "1,234,567.00", 123456700),
        (",", " ", "1 234,56", 123456),
        (",", " ", "1\u202f234,56", 123456),
        (".", "'", "1'234.50", 123450),
        (".", "", "-3.10", -310),
        (".", "", "3.10-", -310),
        (".", "", "(3.10)", -310),
        (".", "", "3.1000", 310),
    ],
)
def test_numbers(decimal, thousands, text, minor):
    assert Amount("EUR", decimal, thousands)[text] == minor


@pytest.mark.parametrize(
    ("decimal", "thousands", "text"),
    [
        (",", ".", "1,234.56"),
        (",", ".", "1.23,4"),
        (",", ".", "12.34"),
        (".", "", "1,234"),
        (".", "", "1e5"),
        (".", "", "٣"),
        (".", "", "NaN"),
        (".", "", "-"),
        (".", "", "EUR 5"),
        (".", "", "1.2.3"),
    ],
)
def test_numbers_in_another_format_are_never_guessed(decimal, thousands, text):
    assert isinstance(Amount("EUR", decimal, thousands)[text], Bad)


def test_dates_in_any_of_the_mapping_s_formats():
    day = Day(("%d/%m/%Y", "%d.%m.%y"))
    assert day["3/4/2026"] == day["03.04.26"] == "2026-04-03"
    assert day["31/02/2026"].code == "bad_date" and day["01/01/1826"].code == "date_out_of_range"


def test_identifiers():
    assert clean_vat("IT 00743110157", "") == clean_vat("00743110157", "IT") == "IT00743110157"
    assert clean_vat("DE136695976", "DE") == "DE136695976" and clean_vat("DE136695977", "DE") is None
    assert clean_vat("FR 40303265045", "FR") == "FR40303265045"
    assert clean_registration("404 833 048", "FR") == "404833048"
    assert clean_registration("404833047", "FR") is None
    assert clean_lei("213800KUD8LAJWSQ9D15") and clean_lei("213800KUD8LXJWSQ9D15") is None
    assert clean_iban("GB82 WEST 1234 5698 7654 32") and clean_iban("GB82WEST12345698765431") is None


def test_every_text_takes_the_parameters_it_is_given():
    class Anything(dict):
        def __missing__(self, key):
            return "x"

    for code in problems.TEXTS:
        assert problems.reason(code, Anything()) and problems.cure(code, Anything())
    for text in problems.FILE_TEXTS.values():
        assert str(text) % Anything()


@pytest.mark.parametrize("cell", ["=1+1", "+cmd", "-x", "@SUM(A1)"])
def test_reports_are_safe_in_a_spreadsheet(cell):
    assert safe_cell(cell) == f"'{cell}"
    assert safe_cell("-12.50") == "-12.50"


def test_shipped_mappings_are_sound():
    shipped = shipped_mappings()
    assert set(shipped) >= {"ibm-watson", "open-items", "transactions"}
    for slug, raw in shipped.items():
        assert parse_spec(slug, raw["layout"], raw["on_change"], raw["spec"])


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"columns": {}}, "columns"),
        ({"columns": {"customer": "c", "colour": "x"}}, "unknown field colour"),
        ({"dates": ["dd/mm"]}, "dates"),
        ({"numbers": {"decimal": ",", "thousands": ","}}, "thousands"),
        ({"file": {"encoding": "klingon"}}, "klingon"),
        ({"file": {"delimiter": "||"}}, "delimiter"),
        ({"known_on": "maybe"}, "known_on"),
        ({"sheets": 3}, "unknown key sheets"),
    ],
)
def test_a_wrong_mapping_says_which_key(change, text):
    with pytest.raises(SpecError, match=text):
        parse_spec("x", "settled", "supersede", {**SETTLED, **change})


@pytest.mark.django_db
def test_xlsx_gives_what_csv_gives(mapping, tmp_path):
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.append(HEADER)
    sheet.append([1001, "F1", date(2026, 1, 10), datetime(2026, 2, 10), 100.1, date(2026, 2, 15), None, "no"])
    sheet.append([None] * 8)
    sheet.append(["C2", 77, "2026-03-01", date(2026, 3, 31), 0.1 + 0.2, None, None, None])
    sheet.append(["C2", 78, "first of March", date(2026, 3, 31), 5, None, None, None])
    path = tmp_path / "ledger.xlsx"
    book.save(path)
    report = take(path, mapping("settled", SETTLED))
    assert codes(report) == [(5, "issued", "bad_date")]
    assert dict(Invoice.objects.values_list("number", "amount")) == {"F1": 10010, "77": 30}
    assert Customer.objects.filter(code="1001").exists()
    broken = tmp_path / "broken.xlsx"
    broken.write_bytes(b"PK not a workbook")
    with pytest.raises(problems.ImportRefused, match="cannot be read"):
        take(broken, mapping("settled", SETTLED))


@pytest.mark.django_db
def test_a_southern_european_file(mapping, csv_file):
    spec = {
        **SETTLED,
        "columns": {**SETTLED["columns"], "customer_name": "name"},
        "dates": ["%d/%m/%Y"],
        "numbers": {"decimal": ",", "thousands": "."},
        "file": {"delimiter": ";", "encoding": "cp1252"},
    }
    rows = [["C1", "F1", "10/01/2026", "10/02/2026", "1.234,56", "", "", "", "Società à responsabilité"]]
    path = csv_file([*HEADER, "name"], rows, delimiter=";", encoding="cp1252")
    assert take(path, mapping("settled", spec)).problems == []
    assert Invoice.objects.get().amount.minor == 123456
    assert Customer.objects.get().name == "Società à responsabilité"
    utf8 = mapping("settled", spec, file={"delimiter": ";", "encoding": "utf-8"}, source={"code": "second"})
    assert codes(take(path, utf8)) == [(2, "name", "undecodable")]


@pytest.mark.django_db
def test_a_byte_order_mark_ragged_rows_and_blank_lines(mapping, tmp_path):
    lines = [",".join(HEADER), "", ",".join(GOOD), ",".join(OPEN[:5]), ",".join([*OPEN, "extra"])]
    path = tmp_path / "bom.csv"
    path.write_text("\ufeff" + "\n".join(lines) + "\n", encoding="utf-8")
    report = take(path, mapping("settled", SETTLED))
    assert codes(report) == [(4, "", "cells_mismatch"), (5, "", "cells_mismatch")]
    assert Invoice.objects.get().number == "F1"


CELLS = st.sampled_from(
    ["", "x", "C1", "C2", "F1", "F2", "2026-01-10", "2026-02-10", "100.00", "-3", "0", "yes"]
)


@pytest.mark.django_db
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_preview_and_commit_agree(mapping, csv_file, data):
    """Whatever the rows: the preview's counts are what a commit stores, and the ledger stays sound."""
    rows = []
    for _ in range(data.draw(st.integers(1, 6))):
        base = row(
            data.draw(st.sampled_from([GOOD, OPEN])), number=data.draw(st.sampled_from(["F1", "F2", "F3"]))
        )
        if data.draw(st.booleans()):
            base[data.draw(st.integers(0, len(base) - 1))] = data.draw(CELLS)
        rows.append(base)
    # Every example is a source of its own: hypothesis keeps one database for all of them.
    one = mapping("settled", SETTLED, source={"code": f"s{Source.objects.count()}"}, customer_match="number")
    path = csv_file(HEADER, rows)
    before = Invoice.objects.count(), Payment.objects.count(), Allocation.objects.count()
    preview = take(path, one, commit=False)
    assert (Invoice.objects.count(), Payment.objects.count(), Allocation.objects.count()) == before
    done = take(path, one)
    assert preview.counts == done.counts and preview.problems == done.problems
    assert Invoice.objects.count() - before[0] == preview.counts["documents"]
    assert Payment.objects.count() - before[1] == preview.counts["payments"]
    assert list(check_ledger()) == []
    assert take(path, one).changes_nothing


@pytest.mark.django_db
@pytest.mark.parametrize("seed", range(3))
def test_preview_and_commit_agree_on_transactions(mapping, csv_file, seed):
    chance = random.Random(seed)
    header = ["type", "customer", "number", "date", "due", "currency", "amount", "settles"]
    rows = []
    for n in range(120):
        customer = f"C{chance.randint(1, 5)}"
        day = f"2026-0{chance.randint(1, 9)}-1{chance.randint(0, 9)}"
        kind = chance.choice(["invoice", "invoice", "payment", "credit_note"])
        wanted = ";".join(f"N{chance.randint(0, n)}" for _ in range(chance.randint(0, 3)))
        due = "2026-10-01" if kind == "invoice" else ""
        settles = "" if kind == "invoice" else wanted
        rows.append([kind, customer, f"N{n}", day, due, "EUR", f"{chance.randint(1, 500)}.00", settles])
    one = mapping("transactions", TRANSACTIONS)
    path = csv_file(header, rows)
    preview = take(path, one, commit=False)
    done = take(path, one)
    assert preview.counts == done.counts and preview.problems == done.problems
    assert Allocation.objects.count() == preview.counts["allocations"] > 0
    assert list(check_ledger()) == []
    assert take(path, one).changes_nothing
