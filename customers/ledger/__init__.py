"""The ledger's verbs. Each locks what it changes, keeps the counters, writes the audit trail and announces it."""

from .allocating import (
    allocate_payment,
    apply_credit_note,
    move_payment,
    refund_payment,
    return_payment,
    reverse_allocation,
    write_off,
)
from .errors import LedgerError
from .posting import InstalmentTerms, correct_document, post_document, post_payment

__all__ = [
    "InstalmentTerms",
    "LedgerError",
    "allocate_payment",
    "apply_credit_note",
    "correct_document",
    "move_payment",
    "post_document",
    "post_payment",
    "refund_payment",
    "return_payment",
    "reverse_allocation",
    "write_off",
]
