from django.db import migrations

from creditdesk.core.guards import append_only, refuse_when, refuse_when_exists

DATES = ("effective_on", "known_on", "recorded_at")
CLOSING = ("known_until", "superseded_at")


def fact(table, *columns, set_once=()):
    return append_only(table, ("id", *DATES, *columns), set_once=(*CLOSING, *set_once))


# Recorded before the data, not revoked, not past its last day when the data is stored (days in UTC).
IN_FORCE = (
    "c.revoked_on IS NULL AND c.superseded_at IS NULL AND c.recorded_at <= NEW.recorded_at "
    "AND c.expires_on >= date(NEW.recorded_at)"
)


class Migration(migrations.Migration):
    """Bank data exists only under a consent: the database refuses a line without one, and keeps the log of reads."""

    dependencies = [("customers", "0003_evidence_and_bank_data")]

    operations = [
        *fact(
            "customers_bankconsent",
            *("customer_id", "purpose", "scope", "reference", "expires_on"),
            set_once=("revoked_on",),
        ),
        refuse_when_exists(
            "customers_bankaccount_needs_consent",
            "customers_bankaccount",
            "BEFORE INSERT",
            "SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM customers_bankconsent c WHERE c.id = NEW.consent_id "
            f"AND c.customer_id = NEW.customer_id AND {IN_FORCE})",
            "customers_bankaccount: no consent of the customer is in force; record one first",
        ),
        refuse_when_exists(
            "customers_bankaccount_keeps_consent",
            "customers_bankaccount",
            "BEFORE UPDATE",
            "SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM customers_bankconsent c WHERE c.id = NEW.consent_id "
            "AND c.customer_id = NEW.customer_id AND c.revoked_on IS NULL)",
            "customers_bankaccount: an account stays under an unrevoked consent of its own customer",
        ),
        refuse_when(
            "customers_bankaccount_frozen",
            "customers_bankaccount",
            "BEFORE UPDATE",
            "OLD.id IS DISTINCT FROM NEW.id OR OLD.customer_id IS DISTINCT FROM NEW.customer_id "
            "OR OLD.iban IS DISTINCT FROM NEW.iban OR OLD.currency IS DISTINCT FROM NEW.currency",
            "customers_bankaccount: an account keeps its customer, number and currency",
        ),
        refuse_when_exists(
            "customers_banktransaction_needs_consent",
            "customers_banktransaction",
            "BEFORE INSERT",
            "SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM customers_bankaccount a "
            "JOIN customers_bankconsent c ON c.id = a.consent_id "
            f"WHERE a.id = NEW.bank_account_id AND {IN_FORCE})",
            "customers_banktransaction: no consent of the customer is in force; record one before its bank lines",
        ),
        refuse_when(
            "customers_banktransaction_frozen",
            "customers_banktransaction",
            "BEFORE UPDATE",
            " OR ".join(
                [
                    *(
                        f"OLD.{column} IS DISTINCT FROM NEW.{column}"
                        for column in (
                            *("id", *DATES, "bank_account_id", "key", "amount", "balance", "category"),
                            *("is_rejected", "counterparty", "statement", "batch_id"),
                        )
                    ),
                    *(
                        f"(OLD.{column} IS NOT NULL AND OLD.{column} IS DISTINCT FROM NEW.{column})"
                        for column in CLOSING
                    ),
                ]
            ),
            "customers_banktransaction is append-only: undo the import it came with instead",
        ),
        refuse_when_exists(
            "customers_banktransaction_kept",
            "customers_banktransaction",
            "BEFORE DELETE",
            "SELECT 1 FROM customers_bankaccount a JOIN customers_bankconsent c ON c.id = a.consent_id "
            "WHERE a.id = OLD.bank_account_id AND c.revoked_on IS NULL",
            "customers_banktransaction: bank data is deleted by revoking its consent, never otherwise",
        ),
        *append_only("customers_bankdataaccess"),
        *fact("customers_supplierpaymentdays", "customer_id", "days", "source", "batch_id"),
        *fact(
            "customers_financialstatement",
            *("customer_id", "currency", "months", "total_assets", "current_assets", "current_liabilities"),
            *("total_liabilities", "equity", "retained_earnings", "revenue", "ebit", "net_income", "cash"),
            *("inventories", "trade_receivables", "trade_payables", "financial_debt", "cost_of_sales"),
            *("depreciation", "interest_expense", "source", "batch_id"),
        ),
    ]
