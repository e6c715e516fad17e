"""The same rows through django-import-export's bulk mode, set up as well as its documentation allows.

Bulk mode, foreign keys and known documents looked up once for the file (cached widgets, CachedInstanceLoader),
unchanged rows skipped, no diffs, no validation of instances, rows with errors reported and left out: what our
import does with the same file. Instalments are made with each bulk of invoices, in one more bulk_create.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import tablib
from import_export import fields, instance_loaders, resources, widgets

from customers.models import CreditAccount, CustomerKey, Instalment, Invoice, Source

BATCH = 1000


class CachedAccount(widgets.Widget):
    """The credit account of a customer key, from one query for the whole file."""

    def __init__(self, source: Source) -> None:
        super().__init__()
        accounts = dict(CreditAccount.objects.values_list("customer_id", "id"))
        keys = CustomerKey.objects.filter(source=source).values_list("key", "customer_id")
        self.accounts = {key: accounts[customer] for key, customer in keys}

    def clean(self, value: Any, row: Any = None, **kwargs: Any) -> int:
        return self.accounts[value]


class Minor(widgets.Widget):
    """An amount in euro as whole cents."""

    def clean(self, value: Any, row: Any = None, **kwargs: Any) -> int:
        try:
            return int(Decimal(value) * 100)
        except InvalidOperation as error:
            raise ValueError("not an amount") from error


class InvoiceResource(resources.ModelResource):
    number = fields.Field("number", "number")
    currency = fields.Field("currency", "currency")
    issued = fields.Field("effective_on", "issued", widgets.DateWidget("%Y-%m-%d"))
    due = fields.Field("due", "due", widgets.DateWidget("%Y-%m-%d"))
    amount = fields.Field("amount", "amount", Minor())

    class Meta:
        model = Invoice
        fields = ("number", "currency", "issued", "due", "amount", "account")
        import_id_fields = ("number",)
        instance_loader_class = instance_loaders.CachedInstanceLoader
        use_bulk = True
        batch_size = BATCH
        skip_diff = True
        skip_html_diff = True
        skip_unchanged = False
        report_skipped = False
        use_transactions = False

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.source = Source.objects.get(code="bench")
        self.fields["account"] = fields.Field("account_id", "customer", CachedAccount(self.source))

    def get_instance(self, instance_loader: Any, row: Any) -> Any:
        return instance_loader.get_instance(row)

    def after_init_instance(self, instance: Any, new: bool, row: Any, **kwargs: Any) -> None:
        instance.company_id, instance.source_id = self.source.company_id, self.source.pk

    def before_save_instance(self, instance: Any, row: Any, **kwargs: Any) -> None:
        instance.known_on = instance.effective_on
        instance.fiscal_year = instance.effective_on.year

    def bulk_create(self, *args: Any, **kwargs: Any) -> None:
        made = list(self.create_instances)
        super().bulk_create(*args, **kwargs)
        Instalment.objects.bulk_create([_instalment(invoice) for invoice in made])


def _instalment(invoice: Any) -> Instalment:
    return Instalment(
        invoice=invoice,
        company_id=invoice.company_id,
        account_id=invoice.account_id,
        kind="invoice",
        due_on=invoice.due,
        effective_on=invoice.effective_on,
        known_on=invoice.known_on,
        currency=invoice.currency,
        amount=invoice.amount.minor,
        account_amount=invoice.amount.minor,
        open_amount=invoice.amount.minor,
    )


def library(path: Path, _layout: str = "") -> int:
    """Import the file; returns the rows stored. The bad rows are reported in the result and left out."""
    from django.db import transaction

    with transaction.atomic():
        data = tablib.Dataset().load(path.read_text(), format="csv")
        result = InvoiceResource().import_data(data, raise_errors=False)
    stored = Instalment.objects.count()
    refused = len(result.invalid_rows)
    if result.has_errors() or stored + refused != len(data):
        raise SystemExit(f"import-export stored {stored} of {len(data)} rows, refused {refused}")
    return stored
