"""What a reader may see of bank lines and of what credit agencies said about one customer, wherever it stands.

Bank figures are for who may read bank data, and only while a consent is in force; what agencies said about a natural
person only while there is a legal basis. Who reads the audit trail sees it afterwards, too, to answer for what was
decided with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db.models import Exists, OuterRef, Q, Value
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from customers.bank import consents
from customers.bank.right import Reader, sees_bank
from customers.bureau import bases
from customers.models import BankConsent, Customer


@dataclass(frozen=True, slots=True)
class Shown:
    """What a reader may see about one customer. bank: told from bank lines; agencies: said by credit agencies."""

    bank: bool
    agencies: bool

    @classmethod
    def of(cls, row: Any) -> Shown:
        """What the row was annotated with, see `shown_fields`."""
        return cls(row.shows_bank, row.shows_agencies)


EVERYTHING = Shown(bank=True, agencies=True)


def shown_about(user: Reader, customer: Customer, as_of: date) -> Shown:
    """What the user sees about one customer; at most two queries."""
    if user.has_perm(bases.AUDIT):
        return Shown(sees_bank(user), agencies=True)
    return Shown(
        sees_bank(user) and not consents.ended_among([customer.pk], as_of),
        not bases.lacks_basis(customer, as_of),
    )


def shown_fields(user: Reader, customer: str, as_of: date) -> dict[str, Any]:
    """Annotations that say what the user sees of each row, for `Shown.of`; customer: the path to it from the row."""
    auditor, bank = user.has_perm(bases.AUDIT), sees_bank(user)
    given = BankConsent.objects.filter(customer=OuterRef(customer))
    basis = bases.in_force(as_of).filter(customer=OuterRef(customer))
    shows_bank: Any = Value(bank)
    if bank and not auditor:
        shows_bank = ~Exists(given) | Exists(given.filter(consents.in_force(as_of)))
    shows_agencies: Any = Value(value=True)
    if not auditor:
        shows_agencies = ~Q(**{f"{customer}__kind": Customer.Kind.SOLE_TRADER}) | Exists(basis)
    return {"shows_bank": shows_bank, "shows_agencies": shows_agencies}


def withheld_agencies() -> str:
    """What stands in the place of what agencies said about a person whose legal basis ended."""
    return capfirst(_("figures whose legal basis or consent ended, and what you may not read"))
