"""The real ledger file, whole; and the same with holes and contradictions."""

from datetime import date
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db.models import F, Sum

from creditdesk.core.models import AuditEntry
from customers.imports.setup import find_mapping
from customers.ledger.checking import check_ledger
from customers.models import (
    Allocation,
    CreditAccount,
    Customer,
    Dispute,
    ImportBatch,
    Instalment,
    Invoice,
    Payment,
    Portfolio,
    RefusedRow,
)

from .conftest import codes, take

pytestmark = pytest.mark.django_db


def command(*arguments):
    out = StringIO()
    call_command("import_ledger", *arguments, stdout=out, stderr=StringIO())
    return out.getvalue()


def test_a_file_of_nothing_but_refused_rows_is_not_called_known(ledger_files, tmp_path):
    lines = (ledger_files / "accounts-receivable.csv").read_text().splitlines()
    cells = lines[1].split(",")
    cells[6] = "-1"
    path = tmp_path / "refused.csv"
    path.write_text("\n".join([lines[0], ",".join(cells)]))
    with pytest.raises(CommandError, match="was refused: nothing was taken in") as error:
        command(path, "--mapping", "ibm-watson", "--commit")
    assert error.value.returncode == 1
    with pytest.raises(CommandError, match="nowhere"):
        command(path, "--mapping", "ibm-watson", "--company", "nowhere")
    # A good row beside it goes in, and who asks for it is told by the exit code.
    path.write_text("\n".join([lines[0], ",".join(cells), lines[2]]))
    with pytest.raises(CommandError, match="1 of 2 rows") as error:
        command(path, "--mapping", "ibm-watson", "--commit", "--fail-on-refused")
    assert error.value.returncode == 3 and Invoice.objects.count() == 1


def table_sizes():
    models = (
        Customer,
        CreditAccount,
        Invoice,
        Instalment,
        Payment,
        Allocation,
        Dispute,
        ImportBatch,
        RefusedRow,
    )
    return {model.__name__: model.objects.count() for model in models}


def test_clean_file_imports_whole_on_an_empty_database(ledger_files):
    text = command(ledger_files / "accounts-receivable.csv", "--mapping", "ibm-watson", "--commit")
    assert "complete through 2014-01-09" in text
    sizes = table_sizes()
    assert sizes["Customer"] == sizes["CreditAccount"] == 100
    assert sizes["Invoice"] == sizes["Instalment"] == sizes["Payment"] == sizes["Allocation"] == 2466
    assert sizes["Dispute"] == 561
    assert Portfolio.objects.count() == 5
    # The file's own total, to the cent.
    assert Invoice.objects.aggregate(total=Sum("amount"))["total"] == 14_770_318
    assert not Instalment.objects.exclude(open_amount=0).exists()
    assert not Instalment.objects.exclude(settled_by="cash").exists()
    assert list(check_ledger()) == []
    invoice = Invoice.objects.get(number="7900770")
    assert (invoice.effective_on, invoice.known_on) == (date(2013, 1, 26), date(2013, 1, 26))
    # As each row says; the day the customer moved on (PaperlessDate) is not read.
    assert invoice.delivery == "electronic" and Invoice.objects.filter(delivery="paper").count() == 1263
    dispute = Dispute.objects.get(items__instalment__invoice=invoice)
    assert dispute.effective_on == dispute.known_on == dispute.closed_on == date(2013, 3, 3)
    assert not Dispute.objects.exclude(known_on=F("effective_on")).exists()
    assert not Payment.objects.exclude(known_on=F("effective_on")).exists()
    assert AuditEntry.objects.filter(act="ledger.import").count() == 1
    late = Allocation.objects.get(instalment__invoice=invoice)
    assert late.days_late == 6 and late.account_amount.minor == 6174


def test_preview_stores_nothing(ledger_files):
    before = table_sizes()
    text = command(ledger_files / "accounts-receivable.csv", "--mapping", "ibm-watson")
    assert "nothing was stored" in text and "2,466" in text
    assert table_sizes() == before


def test_same_file_twice_changes_nothing(ledger_files):
    command(ledger_files / "accounts-receivable.csv", "--mapping", "ibm-watson", "--commit")
    before = table_sizes()
    text = command(ledger_files / "accounts-receivable.csv", "--mapping", "ibm-watson", "--commit")
    assert "nothing changes" in text
    assert table_sizes() == before


def test_dirty_file_gives_an_exact_report(ledger_files, tmp_path):
    report = take(ledger_files / "accounts-receivable-dirty.csv", find_mapping("ibm-watson"), commit=False)
    assert report.by_code == {"missing_value": 240, "contradicts_customer": 101}
    assert report.counts["refused"] == 120
    assert report.counts["rows"] == 2586 and report.counts["documents"] == 2466
    assert codes(report)[:3] == [
        (3, "PaperlessDate", "missing_value"),
        (3, "PaperlessBill", "missing_value"),
        (3, "countryCode", "contradicts_customer"),
    ]
    again = take(ledger_files / "accounts-receivable-dirty.csv", find_mapping("ibm-watson"), commit=False)
    assert again.problems == report.problems
    target = tmp_path / "report.csv"
    command(
        ledger_files / "accounts-receivable-dirty.csv", "--mapping", "ibm-watson", "--report", str(target)
    )
    assert len(target.read_text(encoding="utf-8-sig").splitlines()) == 1 + 341


def test_dirty_file_keeps_good_rows_and_the_refused_ones_for_mending(ledger_files):
    command(ledger_files / "accounts-receivable-dirty.csv", "--mapping", "ibm-watson", "--commit")
    assert Invoice.objects.count() == 2466
    assert RefusedRow.objects.count() == 341
    assert RefusedRow.objects.filter(cells__isnull=False).count() == 120
    assert list(check_ledger()) == []


def test_dirty_file_all_or_nothing_leaves_nothing_half_done(ledger_files):
    before = table_sizes()
    with pytest.raises(CommandError, match="120 rows are refused"):
        command(
            ledger_files / "accounts-receivable-dirty.csv",
            *("--mapping", "ibm-watson", "--commit", "--all-or-nothing"),
        )
    assert table_sizes() == before


def test_undo_of_the_whole_file(ledger_files):
    command(ledger_files / "accounts-receivable.csv", "--mapping", "ibm-watson", "--commit")
    call_command("undo_import", ImportBatch.objects.get().pk, "--reason", "wrong file", stdout=StringIO())
    for model in (Invoice, Instalment, Payment, Allocation, Dispute):
        assert not model.objects.filter(superseded_at__isnull=True).exists()
        assert not model.objects.exclude(known_until=F("known_on")).exists()
    assert list(check_ledger()) == []
    assert AuditEntry.objects.get(act="ledger.undo_import").note.text == "wrong file"
