from django.db import migrations

from creditdesk.core.guards import append_only, refuse_when, refuse_when_exists

DATES = ("effective_on", "known_on", "recorded_at")
CLOSING = ("known_until", "superseded_at")


def fact(table, *columns, set_once=()):
    """A fact table: `columns` and the dates are frozen; only the closing columns are set, once."""
    return append_only(table, ("id", *DATES, *columns), set_once=(*CLOSING, *set_once))


def differs(*columns):
    return " OR ".join(f"OLD.{column} IS DISTINCT FROM NEW.{column}" for column in columns)


class Migration(migrations.Migration):
    """What no code path, shell or script may do to the ledger: edit or delete a fact."""

    dependencies = [("customers", "0001_initial")]

    operations = [
        *fact(
            "customers_invoice",
            *("company_id", "source_id", "number", "fiscal_year", "kind", "account_id", "orderer_id"),
            *("currency", "amount", "corrects_id", "batch_id"),
        ),
        *fact(
            "customers_instalment",
            *("invoice_id", "number", "company_id", "account_id", "kind", "due_on", "currency", "amount"),
            "account_amount",
        ),
        *fact(
            "customers_payment",
            *(
                "company_id",
                "source_id",
                "key",
                "account_id",
                "instrument",
                "matures_on",
                "currency",
                "amount",
            ),
            *("transferred_from_id", "batch_id"),
        ),
        *fact(
            "customers_writeoff", "account_id", "currency", "amount", "is_small", "reason_code", "batch_id"
        ),
        *fact(
            "customers_allocation",
            *("kind", "account_id", "instalment_id", "payment_id", "credit_id", "write_off_id", "currency"),
            *("amount", "account_amount", "days_late", "settled_after", "reverses_id", "batch_id"),
        ),
        *fact("customers_promise", "account_id", "currency", "amount", "due_on", "judged_on", "batch_id"),
        *fact("customers_promisemove", "promise_id", "from_status", "to_status", "kept_amount"),
        *fact("customers_dispute", "account_id", "reason", "currency", "amount", "batch_id"),
        *append_only("customers_promiseitem"),
        *append_only("customers_disputeitem"),
        *fact("customers_statuschange", "customer_id", "status"),
        *fact("customers_groupmembership", "customer_id", "parent_id"),
        *fact("customers_paymentterms", "customer_id", "days", "end_of_month"),
        *fact("customers_collectorassignment", "account_id", "collector_id"),
        *fact("customers_legalevent", "customer_id", "kind", "source"),
        *append_only("customers_creditlimit"),
        *append_only("customers_limitchangecomment"),
        # A decided change is closed for good; until then its subject and proposer stay as they are.
        refuse_when(
            "customers_limitchange_decided",
            "customers_limitchange",
            "BEFORE UPDATE",
            "OLD.status <> 'proposed'",
            "customers_limitchange: a decided change is never edited; propose a new one",
        ),
        refuse_when(
            "customers_limitchange_subject",
            "customers_limitchange",
            "BEFORE UPDATE",
            differs(
                *("account_id", "kind", "currency", "old_amount", "new_amount", "valid_from", "valid_until"),
                *("reason_code", "as_of", "proposer_kind", "proposer_id", "proposer_name", "proposed_at"),
                *("is_automatic", "reason_params", "evidence"),
            ),
            "customers_limitchange: what is proposed and by whom stays; amend it, which proposes a new one",
        ),
        # Four eyes: a change that somebody decides was first waiting. Only automatic ones arrive decided.
        refuse_when(
            "customers_limitchange_starts_waiting",
            "customers_limitchange",
            "BEFORE INSERT",
            "NEW.status <> 'proposed' AND NOT NEW.is_automatic",
            "customers_limitchange: a change starts as proposed; decide it afterwards",
        ),
        refuse_when(
            "customers_limitchange_kept",
            "customers_limitchange",
            "BEFORE DELETE",
            "",
            "customers_limitchange: changes are never deleted; withdraw it instead",
        ),
        refuse_when_exists(
            "customers_creditlimit_needs_change",
            "customers_creditlimit",
            "BEFORE INSERT",
            "SELECT 1 FROM customers_limitchange c WHERE c.id = NEW.change_id AND NOT (c.status = 'applied' "
            "AND c.account_id = NEW.account_id AND c.kind = NEW.kind AND c.new_amount = NEW.amount "
            "AND c.currency = NEW.currency AND c.valid_from <= NEW.valid_from "
            "AND (NEW.kind = 'base' OR c.valid_until = NEW.valid_until))",
            "customers_creditlimit: a limit moves only through an applied limit change of the same amount",
        ),
        refuse_when_exists(
            "customers_creditlimit_one_temporary",
            "customers_creditlimit",
            "BEFORE INSERT",
            "SELECT 1 FROM customers_creditlimit o WHERE NEW.kind = 'temporary' AND o.kind = 'temporary' "
            "AND o.account_id = NEW.account_id AND o.valid_from <= NEW.valid_until "
            "AND o.valid_until >= NEW.valid_from",
            "customers_creditlimit: one temporary limit per account and day; choose other dates",
        ),
        *append_only(
            "customers_credithold",
            (
                "id",
                "account_id",
                "reason_code",
                "placed_on",
                "placed_by_name",
                "placed_by_id",
                "placed_at",
                "note",
            ),
            set_once=("released_on", "released_by_id"),
        ),
        refuse_when(
            "customers_credithold_released",
            "customers_credithold",
            "BEFORE UPDATE",
            "OLD.released_on IS NOT NULL",
            "customers_credithold: a released hold is never edited; place a new one",
        ),
        refuse_when(
            "customers_customer_kept",
            "customers_customer",
            "BEFORE DELETE",
            "",
            "customers_customer: customers are never deleted; merge or close instead",
        ),
    ]
