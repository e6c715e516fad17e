"""Bank lines in: every format, the same file twice, statements that overlap, rows refused with their cure, undo."""

from __future__ import annotations

import gzip
from datetime import date
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from creditdesk.core.models import AuditEntry
from customers.bank.consents import record_consent, revoke_consent
from customers.bank.feeds import Options, guess_mapping, run_bank_import
from customers.bank.lines import Line, in_booking_order, says_rejected
from customers.bank.mapping import find_bank_mapping, parse_bank_spec, shipped_bank_mappings
from customers.imports.problems import ImportRefused, cure, reason
from customers.imports.spec import SpecError
from customers.imports.undo import undo_batch
from customers.models import BankAccount, BankTransaction, ImportBatch, RefusedRow
from tests.factories import ACTOR, make_account, make_company

pytestmark = pytest.mark.django_db
STATEMENTS = Path("/work/shared/data/statements")
FLOWS = Path("/work/shared/data/bank_flows/transactions.csv.gz")
TODAY = date(2026, 11, 20)

HEADER = "customer,account,date,amount,balance,currency,reference,counterparty,category,text\n"
CSV = HEADER + (
    "T-A,IT1,2026-11-02,100.00,1100.00,EUR,,Rossi,sales,invoice 7\n"
    "T-A,IT1,2026-11-02,100.00,1200.00,EUR,,Rossi,sales,invoice 7\n"
    "T-A,IT1,2026-11-03,-50.00,1150.00,EUR,,Bank,sanction interest,\n"
    "T-A,IT1,2026-11-04,-20.00,1130.00,EUR,R9,Verdi,,Insoluto RID 4711\n"
)


@pytest.fixture
def customer():
    row = make_account(make_company()).customer
    row.code = "T-A"
    row.save()
    record_consent(
        row,
        purpose="credit assessment",
        effective_on=date(2020, 1, 1),
        expires_on=date(2099, 1, 1),
        actor=ACTOR,
    )
    return row


def take(path, text=None, *, mapping="bank-lines", commit=True, today=TODAY, **options):
    if text is not None:
        path.write_text(text, encoding="utf-8")
    found = find_bank_mapping(mapping) if mapping else guess_mapping(path)
    return run_bank_import(path, found, Options(today=today, commit=commit, **options))


def test_a_preview_stores_nothing_and_says_what_a_commit_does(tmp_path, customer):
    preview = take(tmp_path / "a.csv", CSV, commit=False)
    assert not BankTransaction.objects.exists()
    assert not ImportBatch.objects.filter(mapping__layout="bank").exists()
    report = take(tmp_path / "a.csv")
    assert preview.counts == report.counts
    assert report.counts["lines"] == 4
    assert report.counts["rejected"] == 2
    rows = list(
        BankTransaction.objects.order_by("pk").values_list("amount", "balance", "category", "is_rejected")
    )
    assert rows == [
        (100_00, 1100_00, "sales", False),
        (100_00, 1200_00, "sales", False),
        (-50_00, 1150_00, "sanction", True),
        (-20_00, 1130_00, "", True),
    ]
    assert AuditEntry.objects.get(act="bank_data.import").data["counts"]["lines"] == 4
    assert not report.batch.source.is_ledger


def test_the_same_file_twice_changes_nothing_and_two_equal_lines_both_count(tmp_path, customer):
    first = take(tmp_path / "a.csv", CSV)
    again = take(tmp_path / "a.csv")
    assert (again.counts["lines"], again.counts["unchanged"]) == (0, 4)
    assert again.batch == first.batch
    assert BankTransaction.objects.count() == 4


def test_overlapping_files_do_not_double(tmp_path, customer):
    lines = CSV.splitlines(keepends=True)
    take(tmp_path / "a.csv", "".join(lines[:4]))
    later = take(tmp_path / "b.csv", "".join([lines[0], *lines[2:], "T-A,IT1,2026-11-05,1,1131,EUR,,,,x\n"]))
    assert later.counts["lines"] == 2
    assert BankTransaction.objects.count() == 5


def test_bad_rows_are_refused_with_row_field_and_cure(tmp_path, customer):
    report = take(
        tmp_path / "a.csv",
        HEADER
        + "T-A,IT1,02/11/2026,1.00,,EUR,,,,\n"
        + "T-A,IT1,2026-11-02,1.005,,EUR,,,,\n"
        + "T-A,IT1,2026-11-02,ten,,EUR,,,,\n"
        + "T-Z,IT9,2026-11-02,1.00,,EUR,,,,\n"
        + "T-A,IT1,2026-12-02,1.00,,EUR,,,,\n"
        + "T-A,IT1,2026-11-02,1.00\n"
        + "T-A,IT1,2026-11-02,1.00,,EUR,,,,good\n",
    )
    found = {(p.row, p.column, p.code) for p in report.problems}
    assert found == {
        (2, "date", "bad_date"),
        (3, "amount", "too_many_decimals"),
        (4, "amount", "bad_number"),
        (5, "", "unknown_customer"),
        (6, "", "date_in_future"),
        (7, "", "cells_mismatch"),
    }
    assert all(reason(p.code, p.params) and cure(p.code, p.params) for p in report.problems)
    assert report.counts["lines"] == 1
    assert RefusedRow.objects.filter(batch=report.batch).count() == 6


def test_without_a_consent_in_force_nothing_is_taken(tmp_path, customer):
    revoke_consent(customer.bank_consents.get(), by=ACTOR, reason="asked", on=TODAY)
    report = take(tmp_path / "a.csv", CSV)
    assert [p.code for p in report.problems] == ["no_consent"]
    assert not BankAccount.objects.exists()


def test_a_consent_to_transactions_only_stores_no_balance(tmp_path, customer):
    revoke_consent(customer.bank_consents.get(), by=ACTOR, reason="asked", on=TODAY)
    record_consent(
        customer,
        purpose="x",
        scope="transactions",
        effective_on=TODAY,
        expires_on=date(2099, 1, 1),
        actor=ACTOR,
    )
    take(tmp_path / "a.csv", CSV)
    assert set(BankTransaction.objects.values_list("balance", flat=True)) == {None}


def test_revoking_clears_what_refused_rows_kept_of_the_file(tmp_path, customer):
    take(tmp_path / "a.csv", CSV + "T-A,IT1,2026-11-02,secret,,EUR,,,,\n")
    assert RefusedRow.objects.get().value == "secret"
    revoke_consent(customer.bank_consents.get(), by=ACTOR, reason="asked", on=TODAY)
    assert RefusedRow.objects.get().value == ""


def test_an_import_can_be_undone_and_taken_in_again(tmp_path, customer):
    report = take(tmp_path / "a.csv", CSV)
    undo_batch(report.batch, actor=ACTOR, reason="wrong customer", on=TODAY)
    assert not BankTransaction.objects.filter(superseded_at__isnull=True).exists()
    with pytest.raises(ImportRefused):
        undo_batch(report.batch, actor=ACTOR, reason="again", on=TODAY)
    assert take(tmp_path / "a.csv").counts["lines"] == 4
    assert BankTransaction.objects.filter(superseded_at__isnull=True).count() == 4


def test_balances_put_the_lines_of_a_day_in_order():
    day = date(2026, 1, 5)
    newest_first = [Line(1, day, -30, 120), Line(2, day, 50, 150), Line(3, day, 100, 100)]
    ordered, broken = in_booking_order(newest_first)
    assert [line.row for line in ordered] == [3, 2, 1]
    assert not broken
    _ordered, broken = in_booking_order([Line(1, day, 10, 100), Line(2, day, 10, 500)])
    assert broken == [day]


def mt940(statement, opening, closing, *lines, day="261102"):
    body = "".join(f":61:{day}{line}NTRFNONREF\n:86:some text\n" for line in lines)
    return (
        f":20:X\n:25:12345/678\n:28C:{statement}\n:60F:C{day}EUR{opening}\n{body}:62F:C{day}EUR{closing}\n-\n"
    )


def test_equal_lines_of_a_statement_that_goes_on_are_further_lines(tmp_path, customer):
    """The same payment twice a day in two statements: told from an overlap by the balance it opens with."""
    take(tmp_path / "1.sta", mt940("1/1", "100,00", "110,00", "C10,00"), mapping="", customer=customer)
    take(tmp_path / "2.sta", mt940("1/2", "110,00", "120,00", "C10,00"), mapping="", customer=customer)
    assert BankTransaction.objects.count() == 2
    whole_day = mt940("W1", "100,00", "120,00", "C10,00", "C10,00")
    assert take(tmp_path / "3.sta", whole_day, mapping="", customer=customer).counts["lines"] == 0
    assert list(BankTransaction.objects.order_by("pk").values_list("balance", flat=True)) == [110_00, 120_00]


def test_balances_of_statements_are_checked(tmp_path, customer):
    take(tmp_path / "1.sta", mt940("1/1", "100,00", "110,00", "C10,00"), mapping="", customer=customer)
    wrong = mt940("2/1", "150,00", "199,00", "C10,00", day="261103")
    report = take(tmp_path / "2.sta", wrong, mapping="", customer=customer)
    assert {p.code for p in report.problems} == {"statement_does_not_add_up", "gap_before_statement"}
    assert report.counts["lines"] == 1


def test_the_account_number_is_enough_once_it_is_known(tmp_path, customer):
    first = mt940("1/1", "100,00", "110,00", "C10,00")
    assert [p.code for p in take(tmp_path / "1.sta", first, mapping="").problems] == ["whose_account"]
    take(tmp_path / "1.sta", first, mapping="", customer=customer)
    later = mt940("2/1", "110,00", "120,00", "C10,00", day="261103")
    assert take(tmp_path / "2.sta", later, mapping="").counts["lines"] == 1


def test_camt_knows_returned_payments_and_forbids_entities(tmp_path, customer):
    entry = (
        "<Ntry><Amt Ccy='EUR'>12.50</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts>{status}</Sts>"
        "<BookgDt><Dt>2026-11-02</Dt></BookgDt>{extra}</Ntry>"
    )
    extra = "<NtryDtls><TxDtls><RtrInf><Rsn><Cd>AM04</Cd></Rsn></RtrInf></TxDtls></NtryDtls>"
    entries = entry.format(status="BOOK", extra=extra) + entry.format(status="PDNG", extra="")
    xml = (
        "<Document xmlns='urn:x'><BkToCstmrStmt><Stmt><Id>S1</Id><Acct><Id><IBAN>IT1</IBAN></Id><Ccy>EUR</Ccy></Acct>"
        f"{entries}</Stmt></BkToCstmrStmt></Document>"
    )
    report = take(tmp_path / "a.xml", xml, mapping="", customer=customer)
    assert [(p.row, p.code) for p in report.problems] == [(2, "not_booked")]
    row = BankTransaction.objects.get()
    assert (row.amount.minor, row.is_rejected, row.category) == (1250, True, "returned")
    bomb = '<!DOCTYPE d [<!ENTITY a "b">]><d>&a;</d>'
    with pytest.raises(ImportRefused, match="no XML"):
        take(tmp_path / "b.xml", bomb, mapping="", customer=customer)


@pytest.mark.parametrize(
    "text",
    [
        "SEPA RUECKLASTSCHRIFT",
        "Insoluto RID",
        "NSF fee",
        "returned direct debit",
        "Rejet prélèvement",
        "Impayé",
    ],
)
def test_texts_that_say_a_payment_came_back(text):
    assert says_rejected(text)


@pytest.mark.parametrize("text", ["Retoure 123", "transfer", "rejection letter", "paid in full", "stornello"])
def test_texts_that_do_not(text):
    assert not says_rejected(text)


def test_shipped_mappings_are_right_and_wrong_ones_name_the_key():
    for slug, raw in shipped_bank_mappings().items():
        assert parse_bank_spec(slug, raw).format in {"csv", "camt", "mt940"}
    for wrong, key in (
        ({"columns": {"amount": "a"}, "constants": {"currency": "EUR"}}, "booked_on"),
        ({"columns": {"booked_on": "d", "amount": "a"}}, "currency"),
        ({"colums": {}}, "colums"),
        (
            {"columns": {"booked_on": "d", "amount": "a", "type": "t"}, "constants": {"currency": "EUR"}},
            "values.type",
        ),
    ):
        with pytest.raises(SpecError, match=key):
            parse_bank_spec("x", wrong)


def test_the_command_says_what_is_wrong(tmp_path, customer):
    with pytest.raises(CommandError, match="no customer"):
        call_command("import_bank", str(tmp_path / "x"), "--customer", "nobody")
    (tmp_path / "x.csv").write_text(CSV)
    with pytest.raises(CommandError, match="Name the mapping"):
        call_command("import_bank", str(tmp_path / "x.csv"), "--customer", "T-A")


@pytest.mark.skipif(not STATEMENTS.is_dir(), reason="needs the shared statement files")
def test_every_statement_file_gives_lines_or_a_clear_error(customer):
    taken = 0
    for path in sorted(STATEMENTS.glob("*/*")):
        try:
            report = take(path, mapping="", customer=customer)
        except ImportRefused as refusal:
            assert str(refusal)
            continue
        assert all(reason(p.code, p.params) and cure(p.code, p.params) for p in report.problems), path
        assert (
            report.counts["lines"]
            or report.counts["unchanged"]
            or report.problems
            or not report.counts["rows"]
        )
        taken += report.counts["lines"]
        assert take(path, mapping="", customer=customer).counts["lines"] == 0, path
    assert taken > 90


@pytest.mark.skipif(not FLOWS.is_file(), reason="needs the shared bank flows")
def test_the_shared_bank_flows_import_with_the_shipped_mapping():
    from customers.models import Customer

    make_company()
    with gzip.open(FLOWS, "rt") as file:
        next(file)
        numbers = sorted({line.split(",")[1] for line in file})
    for number in numbers[:25]:
        row = Customer.objects.create(code=number, name=number)
        record_consent(
            row, purpose="x", effective_on=date(1990, 1, 1), expires_on=date(2099, 1, 1), actor=ACTOR
        )
    report = take(FLOWS, mapping="pkdd-bank")
    assert report.counts["accounts"] == 25
    assert report.counts["rows"] == 15_394
    assert report.counts["refused"] == len(numbers) - 25
    assert BankTransaction.objects.count() == report.counts["lines"] > 1000
    assert take(FLOWS, mapping="pkdd-bank").counts["lines"] == 0
