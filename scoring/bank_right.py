"""Who may see what bank lines tell: figures of bank signals stand in scores, reasons and caps, too.

Whoever may not read bank data sees the points of all bank signals together (so that the points still add up), and
no figure, sentence or bin from which a balance or a flow could be read.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from django.utils.translation import gettext as _

from creditdesk.core.models import User
from customers.bank import consents
from customers.bank.right import RIGHT, Reader, sees_bank, withheld
from customers.bureau.bases import AUDIT, Auditor, withheld_among, withheld_from
from customers.models import Customer
from customers.shown import Shown
from scoring.signals import BY_NAME
from scoring.signals.base import Family

__all__ = ["RIGHT", "Reader", "is_of_agencies", "is_of_bank", "is_withheld", "sees_bank", "withheld"]


def is_of_agencies(signal: str) -> bool:
    known = BY_NAME.get(signal)
    return known is not None and known.family == Family.BUREAU


Ended = frozenset[str]
"""Families of which nothing is shown any more, as what allowed reading them about the customer has ended."""
NOTHING_ENDED: Ended = frozenset()


def ended_for(user: User, customer: Customer, as_of: date, *, past: bool = False) -> Ended:
    """What is withheld from the user about a customer whose legal basis or consent ended; auditors see all.

    past: bank flows too, of which only scores of days before the consent ended can tell; one more query.
    """
    found = {Family.BUREAU} if withheld_from(user, customer, as_of) else set()
    if past and not user.has_perm(AUDIT) and consents.ended_among([customer.pk], as_of):
        found.add(Family.BANK)
    return frozenset(found)


def ended_among(user: Auditor, customers: Iterable[Customer], as_of: date) -> dict[int, Ended]:
    """The same of many customers by their ids, with bank flows; at most one query for each of the two families."""
    about = {customer.pk: customer for customer in customers}
    people = [pk for pk, customer in about.items() if customer.is_natural_person]
    found: dict[int, set[str]] = {pk: set() for pk in about}
    if people:
        for pk in withheld_among(people, user, as_of):
            found[pk].add(Family.BUREAU)
    # Who has no right to bank data is told nothing of them anyway.
    if about and sees_bank(user) and not user.has_perm(AUDIT):
        for pk in consents.ended_among(about, as_of):
            found[pk].add(Family.BANK)
    return {pk: frozenset(families) for pk, families in found.items()}


def shown_by(reader: Reader, ended: Ended) -> Shown:
    """What is left for the reader about a customer of whom these families ended."""
    return Shown(sees_bank(reader) and Family.BANK not in ended, agencies=Family.BUREAU not in ended)


def is_withheld(signal: str, reader: Reader, ended: Ended = NOTHING_ENDED) -> bool:
    """Whether a signal is kept from the reader."""
    if is_of_bank(signal):
        return Family.BANK in ended or not sees_bank(reader)
    return Family.BUREAU in ended and is_of_agencies(signal)


def withheld_family(ended: Ended) -> str:
    """What the points are called that a reader is told in one sum."""
    return _("what is withheld") if ended else _("bank flows")


def withheld_because(ended: Ended) -> str:
    if not ended:
        return _("figures for those who may read bank data")
    return _("figures whose legal basis or consent ended, and what you may not read")


class Withholding:
    """What a text says of the points it tells in one sum; `ended` is a field of whatever has it."""

    __slots__ = ()

    @property
    def withheld_family(self) -> str:
        return withheld_family(self.ended)  # type: ignore[attr-defined]

    @property
    def withheld_because(self) -> str:
        return withheld_because(self.ended)  # type: ignore[attr-defined]


def is_of_bank(signal: str) -> bool:
    """Whether a signal (also of an earlier version of the product) is told from bank lines."""
    known = BY_NAME.get(signal)
    return known.family == Family.BANK if known else signal.startswith("bank_")
