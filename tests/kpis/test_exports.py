"""What an export carries, that it cannot run as a formula, and that a reprint says the same later."""

from __future__ import annotations

import csv
import io
import json
from datetime import date, timedelta
from decimal import Decimal
from urllib.parse import quote

import openpyxl
import pytest
from django.core.management import call_command
from django.utils import timezone

from creditdesk.core.exports import Export, csv_lines, safe_text, write_xlsx
from creditdesk.core.money import Money
from customers import ledger
from customers.disputes import close_dispute, open_dispute
from customers.models import CollectorAssignment, ExchangeRate
from customers.promises import settle_promises, take_promise

from .ledgers import ACTOR, Book, first

AS_OF = date(2026, 3, 31)


def body(response) -> str:
    content = b"".join(response.streaming_content) if response.streaming else response.content
    return content.decode("utf-8-sig")


def parse(text: str) -> tuple[dict[str, str], list[list[str]]]:
    """(facts above the header, table with its header)."""
    rows = list(csv.reader(io.StringIO(text)))
    facts = {row[0][2:]: row[1] for row in rows if row[0].startswith("# ")}
    return facts, [row for row in rows if not row[0].startswith("# ")]


@pytest.mark.parametrize("text", ["=1+1", "+39 06", "-2", "@SUM(A1)", "\tx", "\rx", "  =1+1", "＝1"])
def test_dangerous_text_is_made_harmless(text):
    assert safe_text(text) == f"'{text}"


@pytest.mark.parametrize("text", ["Rossi", "a=b", "1-2", ""])
def test_plain_text_is_left_alone(text):
    assert safe_text(text) == text


def sample(rows) -> Export:
    return Export("my list", "List", AS_OF, ["who", "=amount", "on"], rows, [("stamp", timezone.now())])


def test_csv_keeps_numbers_and_escapes_text():
    rows = [["=cmd", Money.of("-12.50", "EUR"), AS_OF], ["ok", Decimal("1E+3"), None], ["@x", 7, True]]
    facts, table = parse("".join(csv_lines(sample(rows))).lstrip("\ufeff"))
    assert table == [
        ["who", "'=amount", "on"],
        ["'=cmd", "-12.50", "2026-03-31"],
        ["ok", "1000", ""],
        ["'@x", "7", "yes"],
    ]
    assert facts["as of"] == "2026-03-31" and facts["report"] == "List"
    assert sample([]).file_name("csv") == "my-list-2026-03-31.csv"


def test_xlsx_holds_numbers_as_numbers_and_no_formula():
    target = io.BytesIO()
    write_xlsx(
        sample([["=1+1", Money.of("-12.50", "EUR"), AS_OF], ["http://x", Money.of(5, "JPY"), None]]), target
    )
    book = openpyxl.load_workbook(target)
    about, sheet = book.worksheets
    assert about["B2"].value.date() == AS_OF
    assert [cell.value for cell in sheet[1]] == ["who", "'=amount", "on"]
    assert sheet["A2"].value == "'=1+1" and sheet["B2"].value == -12.5 and sheet["C2"].value.date() == AS_OF
    assert sheet["B2"].number_format == "#,##0.00" and sheet["B3"].value == 5
    assert not [cell for row in sheet.iter_rows() for cell in row if cell.data_type == "f"]


@pytest.fixture
def desk(book, make_reader, client):
    reader = make_reader("bruno", book.company)
    client.force_login(reader)
    account = book.account("=Evil()", collector=reader)
    CollectorAssignment.objects.create(
        account=account, collector=reader, effective_on=date(2026, 1, 1), known_on=date(2026, 1, 1)
    )
    book.account_of_reader = account
    return book


def tell_the_story(book: Book):
    account = book.account_of_reader
    ExchangeRate.objects.create(base="EUR", quote="GBP", on=date(2026, 1, 1), rate="0.8", source="ECB")
    book.complete_through(AS_OF)
    late = book.invoice(account, "1000.00", date(2026, 1, 5))
    book.invoice(account, "500.00", date(2026, 3, 5))
    book.invoice(account, "80.00", date(2026, 2, 5), currency="GBP")
    broken = book.invoice(account, "300.00", date(2026, 1, 6))
    book.pay(late, date(2026, 2, 20), "400.00")
    note = book.credit_note(account, "50.00", date(2026, 3, 1))
    book.cash(account, "25.50", date(2026, 3, 15))
    take_promise(
        account,
        [(first(broken), Decimal(300))],
        due_on=date(2026, 3, 2),
        given_on=date(2026, 2, 20),
        actor=ACTOR,
    )
    settle_promises(AS_OF, actor=ACTOR)
    dispute = open_dispute(
        account, [(first(late), Decimal(100))], reason="price", opened_on=date(2026, 3, 1), actor=ACTOR
    )
    return late, broken, note, dispute


def happen_later(book: Book, late, broken, note, dispute, other) -> None:
    """Facts recorded after the export, many of them about days before its as-of date."""
    account = book.account_of_reader
    book.invoice(account, "77.00", date(2026, 3, 20))
    book.pay(broken, date(2026, 3, 3))
    ledger.apply_credit_note(first(note), [(first(late), Decimal(50))], actor=ACTOR, on=date(2026, 3, 30))
    ledger.correct_document(
        late, actor=ACTOR, corrected_on=date(2026, 4, 2),
        instalments=[ledger.InstalmentTerms(date(2026, 1, 20), Decimal("1100.00"))],
    )  # fmt: skip
    close_dispute(dispute, outcome="rejected", on=date(2026, 3, 20), actor=ACTOR)
    settle_promises(AS_OF, actor=ACTOR)
    ExchangeRate.objects.create(base="EUR", quote="GBP", on=date(2026, 3, 30), rate="0.9", source="ECB")
    CollectorAssignment.objects.create(account=account, collector=other, effective_on=AS_OF, known_on=AS_OF)
    account.collector = other
    account.save()


def test_reprint_by_stamp_says_the_same_after_later_facts(desk, client, make_reader):
    facts_of_story = tell_the_story(desk)
    collector = desk.account_of_reader.collector_id
    tables = ("figures", "ageing", "trend")
    address = f"/desk/kpis/?as_of={AS_OF}&currency=EUR&collector={collector}"
    before = {table: parse(body(client.get(f"{address}&table={table}&export=csv"))) for table in tables}
    lists = ("instalments/?bucket=overdue", "payments/?", "documents/?", "promises/?", "accounts/?")
    rows = {name: parse(body(client.get(f"/desk/kpis/{name}&as_of={AS_OF}&export=csv"))) for name in lists}
    happen_later(desk, *facts_of_story, make_reader("marta", desk.company))

    changed = parse(body(client.get(f"{address}&table=ageing&export=csv")))
    assert changed[1] != before["ageing"][1]
    for table in tables:
        stamp = quote(before[table][0]["recorded at"])
        reprint = client.get(f"{address}&table={table}&export=csv&recorded_by={stamp}")
        facts, again = parse(body(reprint))
        assert again == before[table][1]
        assert facts.pop("reprint of") == before[table][0]["recorded at"]
        assert facts == before[table][0]
    for name, (facts, table) in rows.items():
        stamp = quote(facts["recorded at"])
        reprint = client.get(f"/desk/kpis/{name}&as_of={AS_OF}&export=csv&recorded_by={stamp}")
        again = parse(body(reprint))[1]
        # Who collects today is not a fact of the ledger: that column tells the present.
        header = table[0]
        kept = [n for n, label in enumerate(header) if label != "collector"]
        assert [[row[n] for n in kept] for row in again] == [[row[n] for n in kept] for row in table]


def test_command_reprints_by_stamp(desk, make_reader):
    facts_of_story = tell_the_story(desk)

    def run(**options) -> dict:
        out = io.StringIO()
        call_command("kpis", as_of=str(AS_OF), currency="EUR", format="json", stdout=out, **options)
        return json.loads(out.getvalue())

    before = run()
    happen_later(desk, *facts_of_story, make_reader("marta", desk.company))
    assert run()["open_amount"] != before["open_amount"]
    assert run(recorded_by=before["recorded_at"]) == before
    # On 1 March nobody knew of the credit note applied on the 30th, nor of the correction of April.
    assert run(known_at="2026-03-31")["ageing"] != run()["ageing"]


def test_export_says_day_stamp_filters_rates_and_control_totals(desk, client):
    tell_the_story(desk)
    response = client.get(
        f"/desk/kpis/?as_of={AS_OF}&currency=EUR&company={desk.company.pk}&table=ageing&export=csv"
    )
    assert f"ageing-{AS_OF}.csv" in response["Content-Disposition"]
    facts, table = parse(body(response))
    assert facts["as of"] == "2026-03-31"
    assert timezone.now() - timezone.datetime.fromisoformat(facts["recorded at"]) < timedelta(minutes=1)
    assert facts["Company"] == "Acme" and facts["stated in"] == "EUR"
    assert facts["rate EUR/GBP"].startswith("0.8 (2026-01-01")
    assert facts["open invoices EUR"] == facts["ledger control total of open invoices EUR"] == "1400.00"
    assert facts["ledger control total of open credit notes EUR"] == "50.00"
    assert facts["ledger control total of unapplied cash EUR"] == "25.50"
    assert facts["ties to the ledger, EUR"] == facts["ties to the ledger, GBP"] == "yes"
    header, eur, gbp, total = table
    assert header[0] == "currency" and eur[0] == "EUR" and gbp[0] == "GBP"
    assert (eur[6], gbp[6], total[6]) == ("1400.00", "80.00", "1500.00")


def test_rows_behind_a_figure_sum_to_its_control_total(desk, client):
    tell_the_story(desk)
    facts, table = parse(body(client.get(f"/desk/kpis/instalments/?as_of={AS_OF}&bucket=overdue&export=csv")))
    header, *rows = table
    column, currency = header.index("open"), header.index("currency")
    for code in ("EUR", "GBP"):
        amount = sum(Decimal(row[column]) for row in rows if row[currency] == code)
        assert amount == Decimal(facts[f"control total {code}"])
    assert rows[0][header.index("customer")] == "'=Evil()"
    assert facts["filters"] == "none: everything you may see"


@pytest.mark.parametrize("name", ["", "accounts/", "instalments/", "payments/", "documents/", "promises/"])
def test_every_list_comes_as_a_workbook(desk, client, name):
    tell_the_story(desk)
    response = client.get(f"/desk/kpis/{name}?as_of={AS_OF}&export=xlsx")
    book = openpyxl.load_workbook(io.BytesIO(response.content))
    about, sheet = book.worksheets
    assert {"recorded at", "as of"} <= {cell.value for cell in about["A"]}
    assert sheet.max_row > 1
    assert client.get(f"/desk/kpis/{name}?export=exe").status_code == 404
