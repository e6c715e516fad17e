"""Who receives a reminder: accounting, then management, then anybody whose address works."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from django.db import transaction

from creditdesk.core.audit import Actor, record_act
from customers.models import Contact, CreditAccount

CHAIN = (Contact.Role.ACCOUNTING, Contact.Role.MANAGEMENT, Contact.Role.PURCHASING, Contact.Role.OTHER)


def by_chain(contacts: Iterable[Contact]) -> list[Contact]:
    """Contacts in the order in which they are tried."""
    return sorted(contacts, key=lambda row: (CHAIN.index(Contact.Role(row.role)), row.pk))


def to_write_to(contacts: Iterable[Contact]) -> Contact | None:
    """The first contact of the chain with an address that has not bounced; None: nobody can be written to."""
    return next((row for row in by_chain(contacts) if row.email and row.bounced_on is None), None)


def to_call(contacts: Iterable[Contact]) -> Contact | None:
    return next((row for row in by_chain(contacts) if row.phone), None)


@transaction.atomic
def mark_bounced(contact: Contact, *, on: date, account: CreditAccount, actor: Actor) -> None:
    """The address does not work: the chain goes on with the next contact. Addresses stay out of the trail."""
    if Contact.objects.filter(pk=contact.pk, bounced_on__isnull=True).update(bounced_on=on):
        record_act(
            "contact.bounced",
            actor=actor,
            subject=account,
            business_date=on,
            data={"contact": contact.pk},
        )
