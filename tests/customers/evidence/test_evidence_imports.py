"""Accounts, legal events and supplier days from files: previewed, idempotent, corrected, refused row by row, undone."""

from __future__ import annotations

from datetime import date

import pytest
from django.core.management import CommandError, call_command

from creditdesk.core.facts import View
from creditdesk.core.models import AuditEntry
from customers.bank.feeds import Options
from customers.evidence.imports import run_evidence_import
from customers.evidence.mapping import find_evidence_mapping, parse_evidence_spec
from customers.imports.problems import cure, reason
from customers.imports.spec import SpecError
from customers.imports.undo import undo_batch
from customers.models import Customer, FinancialStatement, LegalEvent, SupplierPaymentDays
from tests.factories import ACTOR, make_account, make_company

pytestmark = pytest.mark.django_db
TODAY = date(2026, 11, 20)


@pytest.fixture
def customer():
    row = make_account(make_company()).customer
    Customer.objects.filter(pk=row.pk).update(code="T-A")
    return row


def take(tmp_path, mapping, text, *, commit=True, today=TODAY):
    path = tmp_path / "evidence.csv"
    path.write_text(text)
    return run_evidence_import(path, find_evidence_mapping(mapping), Options(today=today, commit=commit))


ACCOUNTS = (
    "customer,balance_sheet_day,published,currency,revenue,ebit,equity,total_assets,source\n"
    "T-A,2025-12-31,2026-05-04,EUR,1000000.00,-25000,300000,900000,register\n"
)


def test_accounts_come_in_once_and_a_change_corrects_them(tmp_path, customer):
    assert take(tmp_path, "accounts", ACCOUNTS, commit=False).counts["new"] == 1
    assert not FinancialStatement.objects.exists()
    first = take(tmp_path, "accounts", ACCOUNTS)
    row = FinancialStatement.objects.get()
    assert (row.revenue.minor, row.ebit.minor, row.known_on) == (100_000_000, -2_500_000, date(2026, 5, 4))
    assert row.inventories is None
    assert take(tmp_path, "accounts", ACCOUNTS).counts["unchanged"] == 1
    changed = take(tmp_path, "accounts", ACCOUNTS.replace("-25000", "25000"))
    assert changed.counts["corrected"] == 1
    now = FinancialStatement.objects.seen().get()
    assert (now.ebit.minor, now.known_on) == (2_500_000, TODAY)
    assert FinancialStatement.objects.seen(View(known_at=date(2026, 6, 1))).get().ebit.minor == -2_500_000
    undo_batch(changed.batch, actor=ACTOR, reason="wrong file", on=TODAY)
    assert FinancialStatement.objects.seen().get().ebit.minor == -2_500_000
    undo_batch(first.batch, actor=ACTOR, reason="wrong customer", on=TODAY)
    assert AuditEntry.objects.filter(act="evidence.undo").count() == 2


def test_undone_in_any_order_what_was_undone_stays_away(tmp_path, customer):
    def said():
        return [row.ebit.minor for row in FinancialStatement.objects.seen()]

    def undo(report):
        undo_batch(report.batch, actor=ACTOR, reason="x", on=TODAY)

    ebits = (-25000, 25000, 35000)
    a, b, c = (take(tmp_path, "accounts", ACCOUNTS.replace("-25000", str(ebit))) for ebit in ebits)
    undo(b)
    assert said() == [3_500_000]
    undo(c)
    assert said() == [-2_500_000], "not those of b, which was undone: what they had replaced"
    undo(a)
    assert said() == []
    # Oldest first, and with a year beside that nobody corrected.
    both = ACCOUNTS + ACCOUNTS.splitlines()[1].replace("2025-12", "2024-12").replace("-25000", "1") + "\n"
    a, b = take(tmp_path, "accounts", both), take(tmp_path, "accounts", both.replace("-25000", "7"))
    undo(a)
    assert said() == [700]
    undo(b)
    assert said() == []
    # A year corrected again since stays as it is, once.
    a = take(tmp_path, "accounts", both)
    b = take(tmp_path, "accounts", both.replace("-25000", "7").replace(",1,", ",2,"))
    take(tmp_path, "accounts", ACCOUNTS.replace("-25000", "9"))
    undo(b)
    assert sorted(said()) == [100, 900]


def test_an_insolvency_from_a_file_stops_new_business(tmp_path, customer):
    text = "customer,kind,date,known,source\nT-A,insolvency,2026-11-10,2026-11-12,Tribunale\nT-A,Pledge,2026-01-05,,register\n"
    assert take(tmp_path, "legal-events", text).counts["new"] == 2
    customer.refresh_from_db()
    assert customer.status == Customer.Status.INSOLVENT
    kept = {(e.kind, e.batch is not None) for e in LegalEvent.objects.all()}
    assert kept == {("insolvency", True), ("lien", True)}
    assert take(tmp_path, "legal-events", text).counts["unchanged"] == 2


def test_an_event_over_before_it_happened_is_refused_by_its_row(tmp_path, customer):
    """The preview says what storing does, and the other rows come in."""
    text = (
        "customer,kind,date,known,ended,source\n"
        "T-A,insolvency,2026-03-10,2026-03-12,2026-03-01,Tribunale\n"
        "T-A,Pledge,2026-01-05,2026-01-05,2026-01-05,register\n"
    )
    preview = take(tmp_path, "legal-events", text, commit=False)
    report = take(tmp_path, "legal-events", text)
    for found in (preview, report):
        assert [(p.row, p.column, p.code) for p in found.problems] == [(2, "ended", "over_before")]
        assert (found.counts["new"], found.counts["refused"]) == (1, 1)
        assert reason("over_before", {}) and cure("over_before", {})
    assert [e.kind for e in LegalEvent.objects.all()] == ["lien"]
    # A stored event is not corrected into one either.
    wrong = take(tmp_path, "legal-events", text.replace("05,2026-01-05,reg", "05,2026-01-04,reg"))
    assert wrong.counts["refused"] == 2 and LegalEvent.objects.get().ended_on == date(2026, 1, 5)


def test_a_company_that_does_not_exist_is_said(tmp_path):
    path = tmp_path / "evidence.csv"
    path.write_text(ACCOUNTS)
    for command, options in (
        ("import_evidence", {"mapping": "accounts"}),
        ("import_bank", {"mapping": "bank-lines"}),
    ):
        for company in ("", "nowhere"):
            with pytest.raises(CommandError, match="no company"):
                call_command(command, str(path), company=company, **options)


def test_supplier_days_and_the_rows_that_cannot_be_taken(tmp_path, customer):
    text = (
        "customer,period_end,known,days,source\n"
        "T-A,2026-06-30,2026-07-20,34,filing\n"
        "T-A,2026-09-30,2026-10-20,58,filing\n"
        "T-A,2026-09-30,2026-10-20,59,filing\n"
        "T-Z,2026-09-30,2026-10-20,60,filing\n"
        "T-A,2026-12-31,,60,filing\n"
        "T-A,2026-03-31,2026-03-01,60,filing\n"
        "T-A,2026-03-31,2026-04-01,many,filing\n"
    )
    report = take(tmp_path, "supplier-days", text)
    assert [(p.row, p.code) for p in report.problems] == [
        (4, "repeated_row"),
        (5, "unknown_customer"),
        (6, "fact_in_future"),
        (7, "known_before"),
        (8, "bad_integer"),
    ]
    assert all(reason(p.code, p.params) and cure(p.code, p.params) for p in report.problems)
    assert list(SupplierPaymentDays.objects.order_by("effective_on").values_list("days", flat=True)) == [
        34,
        58,
    ]


def test_a_wrong_mapping_names_the_key():
    with pytest.raises(SpecError, match="effective_on"):
        parse_evidence_spec("x", "supplier", {"columns": {"customer": "c", "days": "d", "source": "s"}})
    with pytest.raises(SpecError, match="bankrupt"):
        parse_evidence_spec(
            "x",
            "legal",
            {
                "columns": {"customer": "c", "kind": "k", "effective_on": "d", "source": "s"},
                "values": {"kind": {"x": "bankrupt"}},
            },
        )


def test_the_command_previews(tmp_path, customer, capsys):
    path = tmp_path / "a.csv"
    path.write_text(ACCOUNTS)
    call_command("import_evidence", str(path), "--mapping", "accounts")
    assert "Preview only" in capsys.readouterr().out
    assert not FinancialStatement.objects.exists()
