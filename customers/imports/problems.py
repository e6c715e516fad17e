"""Why an import refuses a row, and the cure: codes and parameters, rendered in the reader's language."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from creditdesk.core.sentences import told

REFUSED, WARNING = "refused", "warning"

# code: (reason, cure). Parameters are those the check stores with the code.
TEXTS: dict[str, tuple[Promise | str, Promise | str]] = {
    "missing_value": (_("A value is required here."), _("Fill the cell in, or correct it in the source.")),
    "bad_date": (
        _("This is not a date in the mapping's format (%(formats)s)."),
        _("Correct the date, or add its format to the mapping."),
    ),
    "date_out_of_range": (_("The year is out of range."), _("Correct the date.")),
    "date_in_future": (
        _("The money cannot have arrived in the future."),
        _("Correct the date, or import the row once the day has come."),
    ),
    "bad_number": (
        _("This is not an amount in the mapping's number format (such as %(example)s)."),
        _("Correct the amount, or set the decimal and thousands signs in the mapping."),
    ),
    "too_many_decimals": (
        _("%(currency)s has only %(decimals)s decimals."),
        _("Correct the amount or the currency."),
    ),
    "amount_not_positive": (
        _("The amount must be above zero."),
        _("Correct it; for a credit use a credit note row, or set 'negative' in the mapping."),
    ),
    "number_too_large": (_("The amount is too large to be one."), _("Correct the amount.")),
    "bad_integer": (_("A whole number is expected."), _("Correct the value.")),
    "unknown_value": (
        _("This value is not in the mapping (known: %(known)s)."),
        _("Correct the value, or add it to the mapping's list of values."),
    ),
    "bad_currency": (_("A currency is a code of three letters, such as EUR."), _("Correct the currency.")),
    "bad_country": (
        _("A country is a code of two letters, such as IT."),
        _("Correct the country, or leave it empty."),
    ),
    "too_long": (_("At most %(length)s characters fit here."), _("Shorten the value.")),
    "undecodable": (
        _("The text cannot be read as %(encoding)s."),
        _("Set the file's encoding in the mapping (often cp1252), or save the file as UTF-8."),
    ),
    "cells_mismatch": (
        _("The row has %(found)s cells, the header has %(expected)s."),
        _("Look for a stray or missing delimiter, or an unclosed quote, in this row."),
    ),
    "due_before_issue": (
        _("The due date is before the issue date (%(issued_on)s)."),
        _("Correct one of the two dates."),
    ),
    "settled_before_issue": (
        _("The settlement is before the issue date (%(issued_on)s)."),
        _("Correct one of the two dates."),
    ),
    "days_disagree": (
        _("The row's own dates give %(computed)s days."),
        _("Correct the number of days or the dates: they contradict each other."),
    ),
    "contradicts_customer": (
        _("Customer %(customer)s has %(other)s in row %(other_row)s."),
        _("Correct the value, or the customer number, so that a customer's rows agree."),
    ),
    "repeated_row": (
        _("The row repeats row %(other_row)s."),
        _("Delete the repetition; the first one is kept."),
    ),
    "contradicting_rows": (
        _("The same document stands in rows %(rows)s with different content."),
        _("Keep the right row and delete the others; none of them was taken."),
    ),
    "number_of_other_customer": (
        _("The document number belongs to customer %(other)s."),
        _("Correct the number or the customer; to move a document, cancel it with a credit note first."),
    ),
    "sibling_refused": (
        _("Another instalment of this document was refused."),
        _("Correct that row too: a document is taken whole or not at all."),
    ),
    "changed_row": (
        _("The ledger already has this with %(was)s; the mapping refuses changes."),
        _("Correct the row, or let the mapping treat changed rows as corrections."),
    ),
    "below_allocated": (
        _("%(allocated)s is already allocated, more than the corrected amount."),
        _("Take the allocations back first, or issue a credit note instead."),
    ),
    "facts_depend": (
        _("Later facts rest on the earlier version: %(facts)s."),
        _("Resolve these first, then import the row again."),
    ),
    "exceeds_open": (
        _("Only %(open)s is open on document %(document)s."),
        _("Correct the allocated amount, or leave it out so that the rest stays unapplied."),
    ),
    "exceeds_payment": (
        _("The allocations add up to more than the payment."),
        _("Correct the allocated amounts."),
    ),
    "bad_reference": (
        _("This is not a list of documents (such as %(example)s)."),
        _("Write document numbers, each with its amount if it is part of the payment only."),
    ),
    "unknown_document": (
        _(
            "There is no document %(document)s of this customer, neither in the ledger nor among the file's good rows."
        ),
        _(
            "Correct the reference, import the document first, or leave it out so that the cash stays unapplied."
        ),
    ),
    "ambiguous_document": (
        _("Several documents have the number %(document)s."),
        _("Write the fiscal year behind it: %(document)s@2026."),
    ),
    "currency_of_document": (
        _("Document %(document)s is in %(currency)s."),
        _("Correct the currency or the reference."),
    ),
    "missing_rate": (
        _("There is no exchange rate %(base)s to %(quote)s for %(on)s or before."),
        _("Load exchange rates first: manage.py import_rates, or Exchange rates in the menu."),
    ),
    "open_above_amount": (
        _("More is open than the document's amount (%(amount)s)."),
        _("Correct the open amount or the amount."),
    ),
    "open_amount_grew": (
        _("The ledger has only %(open)s open and received real payments."),
        _("Reverse the payment in the ledger first, or correct the row."),
    ),
    "not_open_then": (
        _(
            "Document %(document)s had only %(open)s open on that day: an earlier settlement was reversed later."
        ),
        _("Correct the settlement's day (possible from %(since)s on), or post the payment in the ledger."),
    ),
    "moved_into_the_past": (
        _("On its new day the payment would settle document %(document)s while another one still did."),
        _("Correct the day, or reverse the payment's allocation in the ledger and import the row again."),
    ),
    "used_since_snapshot": (
        _("Document %(document)s was settled or reversed after the snapshot of %(snapshot)s was taken."),
        _("Import a newer snapshot, or undo what was posted since; the item stays as the ledger has it."),
    ),
    # Evidence: bank lines, accounts, events.
    "no_consent": (
        _("Customer %(customer)s has no consent in force on %(day)s: its bank data may not be read."),
        _("Record the customer's consent first, with its purpose and its last day."),
    ),
    "unknown_customer": (
        _("There is no customer of this number."),
        _("Correct the number, or name the customer with --customer."),
    ),
    "whose_account": (
        _("The file does not say whose account this is, and the account is not known."),
        _("Name the customer: on the command line with --customer, on the page in the field for it."),
    ),
    "account_of_two": (
        _("The account stands for customer %(customer)s in row %(other_row)s."),
        _("Correct the customer or the account number: an account has one owner."),
    ),
    "no_account": (
        _("The statement does not say which account it is of."),
        _("Ask the bank for the file again, or complete the account number."),
    ),
    "currency_of_account": (
        _("The account is kept in %(currency)s."),
        _("Correct the currency, or import the lines of each currency as an account of its own."),
    ),
    "debit_or_credit": (
        _("A booking is either a debit or a credit."),
        _("Fill in exactly one of the two columns."),
    ),
    "bad_swift_line": (
        _("This is no booking of an MT940 file (such as 2611221122C100,00NTRFNONREF)."),
        _("Ask the bank for the file again; the other lines are read."),
    ),
    "fact_in_future": (
        _("The fact lies in the future."),
        _("Correct the date, or import the row once the day has come."),
    ),
    "known_before": (
        _("The fact cannot be known before %(day)s, when it happened."),
        _("Correct one of the two dates."),
    ),
    "over_before": (
        _("It cannot be over before it happened."),
        _("Correct one of the two dates."),
    ),
    "no_credit_account": (
        _("The customer has no credit account in this company (or in the segment named)."),
        _("Open the account, or correct the customer or the segment."),
    ),
    "which_account": (
        _("The customer has several credit accounts in this company."),
        _("Name the segment in a column, or as a constant in the mapping."),
    ),
    "bad_percent": (_("This is not a percentage from 0 to 100."), _("Correct the cell.")),
    "not_on_scale": (
        _("The score is not on the mapping's scale: %(why)s"),
        _("Correct the score, or the scale of the mapping."),
    ),
    "rating_contradiction": (
        _("The outcome contradicts the other cells: rated goes with a standing, not_found with nothing."),
        _("Correct the outcome, or leave it empty."),
    ),
    "no_bureau_basis": (
        _("The customer is a natural person, and no legal basis of agency reports is on record."),
        _("Record the legal basis first, then import the row again."),
    ),
    "cover_terms": ("%(reason)s", _("Correct the terms of the cover.")),
    # Warnings: the row is taken.
    "other_currency": (
        _("Order %(order)s is in %(currency)s: this row is not taken off it."),
        _("Correct the currency, or the number of the order."),
    ),
    "not_booked": (
        _("The entry is not booked yet."),
        _("Nothing to do: it comes again when it is booked."),
    ),
    "statement_does_not_add_up": (
        _("Opening balance and bookings give %(computed)s, the statement closes with %(stated)s."),
        _(
            "Lines are missing or wrong in the file: ask the bank for it again. The lines were taken as they are."
        ),
    ),
    "gap_before_statement": (
        _("The statement opens with %(opening)s, but the lines stored up to %(day)s leave %(stored)s."),
        _("Import the statements in between as well."),
    ),
    "balances_do_not_chain": (
        _("The balances of %(days)s days do not follow from the amounts (first on %(first)s)."),
        _("Check the column of balances in the mapping, or whether lines are missing."),
    ),
    "vanished_used_since": (
        _(
            "Document %(document)s is missing, but was settled or reversed after %(snapshot)s: it was not closed."
        ),
        _("Import a newer snapshot: it will show whether the document is still open."),
    ),
    "bad_identifier": (
        _("The check digits of this %(kind)s are wrong; it was not stored."),
        _("Ask the customer for the right number."),
    ),
    "vat_of_other_customer": (
        _("Customer %(other)s has the same VAT number."),
        _("If they are one, merge the customers."),
    ),
    "customer_number_taken": (
        _("Another source's customer already has this number; a new one, %(code)s, was made."),
        _("If they are one, set customer_match to 'number' in the mapping, or merge the customers."),
    ),
    "vanished_held_back": (
        _(
            "Items missing from the snapshot were not closed: refused rows leave it open which items are meant."
        ),
        _("Correct the refused rows and import the snapshot again."),
    ),
}

FILE_TEXTS: dict[str, Promise | str] = {
    "no_file": _("There is no file %(path)s."),
    "unreadable": _("The file cannot be read: %(error)s."),
    "empty_file": _("The file has no header row."),
    "missing_columns": _(
        "The file lacks the columns %(missing)s of the mapping; it has %(found)s. "
        "Check the delimiter (%(delimiter)s), or correct the mapping."
    ),
    "repeated_columns": _("The header names %(columns)s more than once. Rename one of them."),
    "bad_csv": _("Row %(row)s cannot be read as CSV: %(error)s."),
    "no_snapshot_day": _("A snapshot needs the day it was taken: give it with --snapshot-on."),
    "snapshot_out_of_order": _(
        "A later snapshot of this source (%(last)s) was already imported. Undo it first, or correct the day."
    ),
    "complete_through_future": _(
        "The ledger cannot be complete through %(day)s: that day has not passed yet."
    ),
    "rows_refused": _("%(refused)s rows are refused and the import is all or nothing: nothing was stored."),
    "unknown_mapping": _("There is no mapping %(slug)s. Known: %(known)s."),
    "bad_mapping": _("Mapping %(slug)s: %(error)s"),
    "unknown_company": _("There is no company with code %(code)s. Known: %(known)s."),
    "not_allowed": _("You may not import into company %(company)s."),
    "batch_undone": _("This import was already undone."),
    "bad_xml": _("The file is no XML that can be read: %(error)s. Ask the bank for it again."),
    "camt_notification": _(
        "This is a notification (CAMT.054), whose bookings stand in the statement again. Import the CAMT.053."
    ),
    "no_statement": _("There is no statement in this file: it should be %(format)s."),
    "name_a_mapping": _(
        "This is neither CAMT nor MT940. Name the mapping that says how to read its columns."
    ),
    "in_archive": _("%(name)s in the archive: %(error)s"),
    "too_large": _("Unpacked, the file is larger than %(bytes)s bytes. Split it."),
    "source_is_ledger": _(
        "Source %(source)s feeds the ledger. Give the mapping a source of its own for bank data."
    ),
    "batch_depended_on": _("Later facts rest on this import, so it cannot be undone: %(facts)s."),
    "changed_meanwhile": _(
        "The ledger changed while the file was read. Nothing was stored: import it again."
    ),
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding about one row. `row` counts from 1 with the header; `column` is the file's own name for it."""

    row: int
    column: str
    value: str
    code: str
    params: dict[str, Any] = field(default_factory=dict)
    severity: str = REFUSED
    cells: list[Any] | None = None


def reason(code: str, params: dict[str, Any]) -> str:
    return str(TEXTS[code][0]) % _told(params) if code in TEXTS else code


def cure(code: str, params: dict[str, Any]) -> str:
    return str(TEXTS[code][1]) % _told(params) if code in TEXTS else ""


def _told(params: dict[str, Any]) -> dict[str, Any]:
    """Parameters that are sentences themselves were stored taken apart."""
    if not any(isinstance(one, dict) for one in params.values()):
        return params
    return {name: told(one) if isinstance(one, dict) else one for name, one in params.items()}


class ImportRefused(Exception):
    """The whole file is refused: nothing was stored. `code` and `params` say why, str() renders it."""

    def __init__(self, code: str, /, **params: Any) -> None:  # a parameter may be called code, too
        super().__init__(code, params)
        self.code, self.params = code, params

    def __str__(self) -> str:
        return str(FILE_TEXTS[self.code]) % self.params
