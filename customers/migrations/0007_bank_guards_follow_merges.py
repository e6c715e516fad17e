from django.db import migrations

from creditdesk.core.guards import append_only, refuse_when, undone

DATES = ("effective_on", "known_on", "recorded_at")
CLOSING = ("known_until", "superseded_at")
FACTS = {
    "customers_bankconsent": ("purpose", "scope", "reference", "expires_on"),
    "customers_supplierpaymentdays": ("days", "source", "batch_id"),
    "customers_financialstatement": (
        *("currency", "months", "total_assets", "current_assets", "current_liabilities", "total_liabilities"),
        *("equity", "retained_earnings", "revenue", "ebit", "net_income", "cash", "inventories"),
        *("trade_receivables", "trade_payables", "financial_debt", "cost_of_sales", "depreciation"),
        *("interest_expense", "source", "batch_id"),
    ),
}
SET_ONCE = {"customers_bankconsent": ("revoked_on",)}


def frozen(table, *columns):
    """The guard against edits of a fact table; the one against deletion is left alone."""
    return append_only(table, ("id", *DATES, *columns), set_once=(*CLOSING, *SET_ONCE.get(table, ())))[0]


def of_account(*columns):
    condition = " OR ".join(f"OLD.{c} IS DISTINCT FROM NEW.{c}" for c in columns)
    message = "customers_bankaccount: an account keeps its customer, number and currency"
    return refuse_when(
        "customers_bankaccount_frozen", "customers_bankaccount", "BEFORE UPDATE", condition, message
    )


class Migration(migrations.Migration):
    """What is known of a customer from outside goes with it when it is merged into another one."""

    dependencies = [("customers", "0006_import_uploads")]

    operations = [
        *(undone(frozen(table, "customer_id", *columns)) for table, columns in FACTS.items()),
        *(frozen(table, *columns) for table, columns in FACTS.items()),
        undone(of_account("id", "customer_id", "iban", "currency")),
        of_account("id", "iban", "currency"),
    ]
