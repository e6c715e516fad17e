from django.db import migrations

from creditdesk.core.slimming import parent_stays, references_by_statement

ACCOUNT, BATCH = "customers_creditaccount", "customers_importbatch"
COMPANY, CUSTOMER, SOURCE = "customers_company", "customers_customer", "customers_source"
INVOICE, INSTALMENT = "customers_invoice", "customers_instalment"
PAYMENT, ALLOCATION = "customers_payment", "customers_allocation"


class Migration(migrations.Migration):
    """The four tables that hold nearly every row: references checked per statement, copies proved equal."""

    dependencies = [("customers", "0007_fewer_indexes")]

    operations = [
        references_by_statement(
            INVOICE,
            held={
                "company_id": COMPANY,
                "source_id": SOURCE,
                "account_id": ACCOUNT,
                "orderer_id": CUSTOMER,
                "batch_id": BATCH,
            },
            kept={"corrects_id": INVOICE},
        ),
        references_by_statement(
            INSTALMENT,
            kept={"invoice_id": INVOICE},
            copied={
                ("invoice_id", INVOICE): ("company_id", "account_id", "kind", "currency", "effective_on")
            },
            follows={"company_id": COMPANY, "account_id": ACCOUNT},
        ),
        references_by_statement(
            PAYMENT,
            held={"company_id": COMPANY, "source_id": SOURCE, "account_id": ACCOUNT, "batch_id": BATCH},
            kept={"transferred_from_id": PAYMENT},
        ),
        references_by_statement(
            ALLOCATION,
            held={"account_id": ACCOUNT, "batch_id": BATCH},
            kept={
                "instalment_id": INSTALMENT,
                "payment_id": PAYMENT,
                "credit_id": INSTALMENT,
                "write_off_id": "customers_writeoff",
                "reverses_id": ALLOCATION,
            },
            copied={("instalment_id", INSTALMENT): ("account_id", "currency")},
        ),
        parent_stays(ACCOUNT, [(INVOICE, "account_id"), (PAYMENT, "account_id"), (ALLOCATION, "account_id")]),
        parent_stays(BATCH, [(INVOICE, "batch_id"), (PAYMENT, "batch_id"), (ALLOCATION, "batch_id")]),
        parent_stays(COMPANY, [(INVOICE, "company_id"), (PAYMENT, "company_id")]),
        parent_stays(SOURCE, [(INVOICE, "source_id"), (PAYMENT, "source_id")]),
        parent_stays(CUSTOMER, [(INVOICE, "orderer_id")]),
    ]
