"""How documents were sent: read in every layout, filled in later where nobody had said it, and undone again."""

import json
from datetime import date
from decimal import Decimal
from importlib import import_module

import pytest
from django.db import connection, transaction
from django.db.utils import DatabaseError

from creditdesk.core.audit import Actor
from creditdesk.core.facts import View
from creditdesk.core.models import User
from customers.events import ledger_changed
from customers.imports.setup import shipped_mappings
from customers.imports.spec import SpecError, parse_spec
from customers.imports.undo import undo_batch
from customers.ledger import InstalmentTerms, correct_document
from customers.ledger.checking import check_ledger
from customers.merging import merge_customers
from customers.models import (
    Allocation,
    CreditAccount,
    ImportBatch,
    ImportMapping,
    Instalment,
    Invoice,
    Payment,
)

from .conftest import SETTLED, SNAPSHOT, TODAY, TRANSACTIONS, codes, take

pytestmark = pytest.mark.django_db

WORDS = {"Paper": "paper", "E-Mail": "electronic", "?": ""}
HEADER = ["customer", "number", "issued", "due", "amount", "settled"]
F1 = ["C1", "F1", "2026-01-10", "2026-02-10", "100.00", "2026-02-15"]
F2 = ["C1", "F2", "2026-03-01", "2026-03-31", "250.00", ""]
F3 = ["C2", "F3", "2026-03-02", "2026-03-31", "75.00", "2026-04-30"]
PERSON = Actor.job("test")


def asked(spec):
    return {
        **spec,
        "columns": {**spec["columns"], "delivery": "sent"},
        "optional": [*spec.get("optional", []), "sent"],
        "values": {**spec.get("values", {}), "delivery": WORDS},
    }


def sent(view=None):
    rows = Invoice.objects.seen(view) if view else Invoice.objects.filter(superseded_at__isnull=True)
    return dict(rows.values_list("number", "delivery"))


def sizes():
    models = (Invoice, Instalment, Payment, Allocation, ImportBatch)
    return [model.objects.count() for model in models]


def test_a_ledger_of_before_is_told_once_how_it_was_sent(mapping, csv_file):
    """Nothing of a debt changes, the same file again changes nothing, and undoing takes back only what was told."""
    told = mapping("settled", asked(SETTLED))
    first = take(csv_file(HEADER, [F1, F2, F3], name="before.csv"), told)
    before, heard = sizes(), []
    path = csv_file([*HEADER, "sent"], [[*F1, "e-mail"], [*F2, "Paper"], [*F3, "?"]])
    preview = take(path, told, commit=False)
    ledger_changed.connect(listener := lambda account_ids, **_kw: heard.extend(account_ids), weak=False)
    try:
        report = take(path, told)
    finally:
        ledger_changed.disconnect(listener)
    assert preview.counts == report.counts
    assert (report.counts["deliveries"], report.counts["corrections"], report.counts["unchanged"]) == (
        2,
        0,
        3,
    )
    assert sizes() == [*before[:4], before[4] + 1]
    assert sent() == {"F1": "electronic", "F2": "paper", "F3": ""}
    # Known on the day of issue, like the number; who scores the account is told to look again.
    assert sent(View(known_at=date(2026, 1, 20))) == {"F1": "electronic"}
    assert heard == [CreditAccount.objects.get(customer__code="C1").pk]
    again = take(path, told)
    assert again.changes_nothing and again.batch == report.batch and sizes()[4] == before[4] + 1
    # A file that does not say it takes nothing back, and a correction by such a file keeps it.
    take(csv_file(HEADER, [F1, [*F2[:4], "260.00", ""]], name="silent.csv"), told)
    assert sent() == {"F1": "electronic", "F2": "paper", "F3": ""}
    undo_batch(report.batch, actor=PERSON, reason="wrong column", on=TODAY)
    assert set(sent().values()) == {""} and list(check_ledger()) == []
    undo_batch(ImportBatch.objects.latest("pk"), actor=PERSON, reason="x", on=TODAY)
    undo_batch(first.batch, actor=PERSON, reason="x", on=TODAY)
    assert sent() == {}


def test_another_channel_is_a_correction_like_any_other(mapping, csv_file):
    spec = asked(SETTLED)
    corrects, refuses = mapping("settled", spec), mapping("settled", spec, on_change="refuse")
    take(csv_file([*HEADER, "sent"], [[*F1, "Paper"], [*F2, "Paper"]]), corrects)
    changed = csv_file([*HEADER, "sent"], [[*F1, "E-Mail"], [*F2, "fax"]], name="changed.csv")
    refused = take(changed, refuses, commit=False)
    assert codes(refused) == [(2, "number", "changed_row"), (3, "sent", "unknown_value")]
    assert refused.problems[0].params["was"].endswith(", paper")
    assert refused.problems[1].value == "fax" and "E-Mail" in refused.problems[1].params["known"]
    report = take(changed, corrects)
    assert (report.counts["corrections"], report.counts["deliveries"]) == (1, 0)
    assert sent() == {"F1": "electronic", "F2": "paper"}
    assert sent(View(known_at=date(2026, 3, 1))) == {"F1": "paper", "F2": "paper"}
    undo_batch(report.batch, actor=PERSON, reason="x", on=TODAY)
    assert sent() == {"F1": "paper", "F2": "paper"} and list(check_ledger()) == []


def test_transactions_say_it_once_per_document(mapping, csv_file):
    spec = mapping("transactions", asked(TRANSACTIONS))
    header = [
        "type",
        "customer",
        "number",
        "instalment",
        "date",
        "due",
        "currency",
        "amount",
        "settles",
        "sent",
    ]
    rows = [
        ["invoice", "C1", "A", "1", "2026-01-10", "2026-02-10", "EUR", "50.00", "", "Paper"],
        ["invoice", "C1", "A", "2", "2026-01-10", "2026-03-10", "EUR", "50.00", "", ""],
        ["invoice", "C1", "B", "1", "2026-01-10", "2026-02-10", "EUR", "50.00", "", "Paper"],
        ["invoice", "C1", "B", "2", "2026-01-10", "2026-03-10", "EUR", "50.00", "", "E-Mail"],
        ["credit_note", "C1", "K", "1", "2026-02-10", "", "EUR", "10.00", "A", "E-Mail"],
        ["payment", "C1", "P", "", "2026-02-20", "", "EUR", "20.00", "A", "Paper"],
    ]
    report = take(csv_file(header, rows), spec)
    assert codes(report) == [(4, "number", "contradicting_rows"), (5, "number", "contradicting_rows")]
    assert sent() == {"A": "paper", "K": "electronic"} and Invoice.objects.count() == 2
    assert take(csv_file(header, rows), spec).counts["deliveries"] == 0
    # Corrected in the desk or by a later file of one of two channels: it stays, the allocations move along.
    stored = Invoice.objects.get(number="A")
    correct_document(
        stored,
        actor=PERSON,
        corrected_on=TODAY,
        instalments=[
            InstalmentTerms(date(2026, 2, 12), Decimal(60)),
            InstalmentTerms(date(2026, 3, 10), Decimal(50)),
        ],
    )
    assert sent()["A"] == "paper" and list(check_ledger()) == []


def test_one_row_says_it_for_a_corrected_document_of_several(mapping, csv_file):
    """Not row by row: else an empty row brings back what was known before, and the import that had told it."""
    spec = mapping("transactions", asked(TRANSACTIONS))
    header = ["type", "customer", "number", "instalment", "date", "due", "currency", "amount", "sent"]

    def file(name, amount, a, b):
        """Two invoices in two instalments each; the first row of either says how it was sent."""
        rows = [
            ["invoice", "C1", number, part, "2026-01-10", f"2026-0{part + 1}-10", "EUR", amount, how]
            for number, how in (("A", a), ("B", b))
            for part in (1, 2)
        ]
        for row in rows:
            row[-1] = row[-1] if row[3] == 1 else ""
        return csv_file(header, rows, name=name)

    take(file("a.csv", "50.00", "", ""), spec)
    told = take(file("b.csv", "50.00", "Paper", "Paper"), spec)
    assert told.counts["deliveries"] == 2
    take(file("c.csv", "60.00", "Paper", "E-Mail"), spec)
    assert sent() == {"A": "paper", "B": "electronic"}
    take(file("d.csv", "70.00", "", ""), spec)
    undo_batch(told.batch, actor=PERSON, reason="x", on=TODAY)
    assert sent() == {"A": "paper", "B": "electronic"} and list(check_ledger()) == []


def test_a_snapshot_says_it_and_a_merge_keeps_it(mapping, csv_file):
    spec = mapping("snapshot", asked(SNAPSHOT))
    header = ["customer", "number", "issued", "due", "amount", "open"]
    rows = [
        ["C1", "F1", "2026-10-01", "2026-11-01", "80.00", "80.00"],
        ["C2", "F2", "2026-10-01", "2026-11-01", "9", "9"],
    ]
    take(csv_file(header, rows), spec, snapshot_on=date(2026, 10, 31))
    told = [[*rows[0], "Paper"], [*rows[1], "E-Mail"]]
    report = take(csv_file([*header, "sent"], told, name="b.csv"), spec, snapshot_on=date(2026, 11, 7))
    assert report.counts["deliveries"] == 2 and sent() == {"F1": "paper", "F2": "electronic"}
    accounts = CreditAccount.objects.order_by("customer__code")
    boss = User.objects.create_superuser("boss")
    merge_customers(accounts[1].customer, accounts[0].customer, by=boss, reason="one firm", on=TODAY)
    assert sent() == {"F1": "paper", "F2": "electronic"}
    assert sent(View(known_at=date(2026, 11, 1))) == {"F1": "paper", "F2": "electronic"}


def test_a_mapping_names_only_what_the_ledger_stores():
    raw = {**asked(SETTLED), "values": {"delivery": {"Brief": "letter"}}}
    with pytest.raises(SpecError, match="letter is not known; give electronic, paper"):
        parse_spec("x", "settled", "supersede", raw)


def test_the_database_lets_it_be_told_once_and_by_an_import(mapping, csv_file):
    report = take(
        csv_file([*HEADER, "sent"], [[*F1, ""], [*F2, "Paper"]]), mapping("settled", asked(SETTLED))
    )
    known, unknown = Invoice.objects.filter(number="F2"), Invoice.objects.filter(number="F1")
    for rows, changes in (
        (known, {"delivery": "electronic"}),
        (known, {"delivery": ""}),
        (unknown, {"delivery": "paper"}),
        (unknown, {"delivery": "fax", "delivery_batch": report.batch}),
        (unknown, {"delivery_batch": report.batch}),
        (known, {"number": "F9"}),
    ):
        with pytest.raises(DatabaseError), transaction.atomic():
            rows.update(**changes)
    assert unknown.update(delivery="paper", delivery_batch=report.batch) == 1
    with pytest.raises(DatabaseError), transaction.atomic():
        unknown.update(delivery="electronic")


def test_saved_copies_of_shipped_mappings_read_the_new_column():
    """A desk that saved one before reads it from now on; one that changed its copy keeps its own."""
    shipped = shipped_mappings()
    for slug, raw in shipped.items():
        old = json.loads(json.dumps(raw["spec"]))
        column = old["columns"].pop("delivery")
        old.get("values", {}).pop("delivery", None)
        if column in old.get("optional", []):
            old["optional"].remove(column)
        own = {**old, "dates": ["%d.%m.%Y"]}
        for name, spec in ((slug, old), (f"own-{slug}", own)):
            ImportMapping.objects.create(
                slug=name, layout=raw["layout"], on_change=raw["on_change"], spec=spec
            )
    moves = import_module("customers.migrations.0026_how_invoices_were_sent").SavedMappings()
    moves.database_forwards("customers", connection.schema_editor(), None, None)
    for slug, raw in shipped.items():
        assert ImportMapping.objects.get(slug=slug).spec == raw["spec"]
        assert "delivery" not in ImportMapping.objects.get(slug=f"own-{slug}").spec["columns"]
