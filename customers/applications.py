"""Taking in a credit application, and closing it. Who asks becomes a prospect with an account of its own.

What is decided, and how a prospect becomes a customer, is scoring's (scoring/onboarding).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db import transaction
from django.db.models import IntegerField, Max, Q
from django.db.models.functions import Cast, Substr
from django.utils.translation import gettext as _

from creditdesk.core.audit import Actor, Change, record_act
from creditdesk.core.money import Money
from customers.attributes import set_parent, set_status
from customers.bureau.automatic import ask_when_applied
from customers.models import CreditAccount, CreditApplication, CreditSegment, Customer, LimitChange, Portfolio

PERMISSION = "customers.handle_application"
Status = CreditApplication.Status
OUR_NUMBER = re.compile(r"P-[0-9]+")
RUNNING = (Status.OPEN, Status.GRANTED, Status.PROPOSED)
FAILED = (LimitChange.Status.REJECTED, LimitChange.Status.WITHDRAWN, LimitChange.Status.SUPERSEDED)
ENDED = (Customer.Status.INSOLVENT, Customer.Status.CLOSED)


class ApplicationError(ValueError):
    """An application that cannot be taken in or moved on; the text says why and what to do.

    code: known_customer, number, running, amount, currency, no_name, portfolio, ended, over, state, no_reason,
    not_allowed, out_of_scope, same_person, no_decision, moved, outcome, limit, guarantees_missing, evidence.
    field: the part of the form that is to be mended, "" for the whole. customers: who is known already.
    """

    def __init__(
        self, code: str, message: str, field: str = "", customers: tuple[Customer, ...] = ()
    ) -> None:
        super().__init__(message)
        self.code, self.field, self.customers = code, field, customers


@dataclass(frozen=True, slots=True)
class Prospect:
    """Who asks, as far as they say. parent: the head of their group; stands_alone: they say there is none."""

    name: str
    kind: str = Customer.Kind.COMPANY
    country: str = ""
    city: str = ""
    vat_number: str = ""
    registration_number: str = ""
    lei: str = ""
    sector: str = ""
    language: str = "en"
    founded_on: date | None = None
    code: str = ""
    parent: Customer | None = None
    stands_alone: bool = False

    def columns(self) -> dict[str, Any]:
        names = ("name", "kind", "country", "city", "vat_number", "registration_number", "lei", "sector")
        return {name: getattr(self, name) for name in (*names, "language", "founded_on")}


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for. amount: in the account's currency, more than zero."""

    amount: Money
    terms_days: int | None = None
    yearly_purchases: Money | None = None
    contact_name: str = ""
    contact_email: str = ""
    note: str = ""


def known_customers(prospect: Prospect) -> list[Customer]:
    """Customers with one of the prospect's numbers in the registers, or with its customer number."""
    same = Q(pk__in=[])
    for name in ("vat_number", "registration_number", "lei", "code"):
        if getattr(prospect, name):
            same |= Q(**{name: getattr(prospect, name)})
    return list(Customer.objects.filter(same, merged_into__isnull=True).order_by("pk")[:5])


def known_sentence(known: Iterable[Customer]) -> str:
    """Who is known already and what to do. known: customers that the reader may see."""
    names = ", ".join(f"{row.name} ({row.code})" for row in known)
    if not names:
        return _("This prospect is a customer already.")
    return _("%s is a customer already: start the application on the customer's page.") % names


@transaction.atomic
def receive_from_prospect(
    prospect: Prospect,
    segment: CreditSegment,
    wish: Wish,
    *,
    portfolio: Portfolio | None = None,
    actor: Actor,
    on: date,
    channel: str = CreditApplication.Channel.STAFF,
) -> CreditApplication:
    """Make a prospect and its application in one step. Raises ApplicationError; nothing half-done stays."""
    if not prospect.name.strip():
        raise ApplicationError("no_name", _("Who asks? Give the name."), "name")
    if OUR_NUMBER.fullmatch(prospect.code):
        raise ApplicationError(
            "number", _("Numbers like P-00001 are given here: send another one, or none."), "code"
        )
    known = known_customers(prospect)
    if known:
        # Without names: who asks may not see these customers.
        raise ApplicationError(
            "known_customer",
            _("This prospect is a customer already."),
            "vat_number",
            tuple(known),
        )
    if portfolio is not None and portfolio.company_id != segment.company_id:
        raise ApplicationError(
            "portfolio", _("The portfolio belongs to another company than the segment."), "portfolio"
        )
    customer = Customer.objects.create(
        code=prospect.code or _next_code(), status=Customer.Status.PROSPECT, **prospect.columns()
    )
    set_status(customer, Customer.Status.PROSPECT, on=on, actor=actor, reason_code="application")
    if prospect.parent is not None or prospect.stands_alone:
        set_parent(customer, prospect.parent, on=on, actor=actor)
    account = CreditAccount.objects.create(
        customer=customer,
        segment=segment,
        company=segment.company,
        currency=wish.amount.currency,
        portfolio=portfolio,
    )
    return receive_application(account, wish, actor=actor, on=on, channel=channel)


def _next_code() -> str:
    """P-00001 and on; whoever comes at the same moment meets the unique constraint and asks again."""
    ours = Customer.objects.filter(code__regex=r"^P-[0-9]{5,9}$")
    last = ours.aggregate(last=Max(Cast(Substr("code", 3), IntegerField())))["last"]
    return f"P-{(last or 0) + 1:05}"


@transaction.atomic
def receive_application(
    account: CreditAccount,
    wish: Wish,
    *,
    actor: Actor,
    on: date,
    channel: str = CreditApplication.Channel.STAFF,
) -> CreditApplication:
    """An application on an account there is, of a prospect or a customer who asks for more. Raises ApplicationError."""
    locked = (
        CreditAccount.objects.select_for_update(of=("self",)).select_related("customer").get(pk=account.pk)
    )
    if locked.joined_into_id is not None or locked.customer.status in ENDED:
        raise ApplicationError(
            "ended", _("The customer is %s: it cannot apply.") % locked.customer.get_status_display()
        )
    for money in (wish.amount, wish.yearly_purchases):
        if money is not None and money.currency != locked.currency:
            raise ApplicationError(
                "currency",
                _("Amounts of this account are in %(currency)s.") % {"currency": locked.currency},
                "requested",
            )
    if wish.amount.minor <= 0:
        raise ApplicationError("amount", _("The amount asked for is more than zero."), "requested")
    _check_alone(locked)
    application = CreditApplication.objects.create(
        account=locked,
        channel=channel,
        currency=locked.currency,
        requested=wish.amount,
        requested_terms_days=wish.terms_days,
        yearly_purchases=wish.yearly_purchases,
        contact_name=wish.contact_name,
        contact_email=wish.contact_email,
        note=wish.note,
        received_on=on,
        submitted_by=actor.user,
        submitted_name=actor.name[:80],
    )
    ask_when_applied(locked.customer_id, on)
    record_act(
        "application.receive",
        actor=actor,
        subject=application,
        business_date=on,
        data={"account": locked.pk, "channel": channel},
        changes=[Change.of(application, None, {"status": Status.OPEN, "requested": wish.amount.minor})],
    )
    return application


def _check_alone(account: CreditAccount) -> None:
    if CreditApplication.objects.filter(account=account, status__in=RUNNING).exists():
        raise ApplicationError("running", _("An application of this account is running already."))


def stands_at(application: CreditApplication) -> str:
    """Its status for what may be done next: granted again, once the limit proposed did not come into force."""
    change = application.limit_change
    if application.status == Status.PROPOSED and change is not None and change.status in FAILED:
        return Status.GRANTED
    return application.status


def lock_application(application: CreditApplication | int) -> CreditApplication:
    """The application as it is now, locked; the account first, as everywhere."""
    pk = application if isinstance(application, int) else application.pk
    account_id = CreditApplication.objects.values_list("account", flat=True).get(pk=pk)
    CreditAccount.objects.select_for_update(of=("self",), no_key=True).get(pk=account_id)
    return (
        CreditApplication.objects.select_for_update(of=("self",))
        .select_related("account__customer", "account__company", "limit_change")
        .get(pk=pk)
    )


def move_application(
    locked: CreditApplication,
    status: str,
    *,
    actor: Actor,
    on: date,
    reason: str = "",
    change: LimitChange | None = None,
) -> CreditApplication:
    """Give a locked application its next status, in the transaction of what moved it. Raises ApplicationError."""
    if locked.status not in RUNNING and status in RUNNING:
        _check_alone(locked.account)
    before = {"status": locked.status}
    locked.status = status
    locked.closed_on = None if status in RUNNING else on
    if change is not None:
        locked.limit_change = change
    locked.save(update_fields=["status", "closed_on", "limit_change"])
    record_act(
        "application.move",
        actor=actor,
        subject=locked,
        reason_code=status,
        note=reason,
        business_date=on,
        data={"account": locked.account_id},
        changes=[Change.of(locked, before, {"status": status})],
    )
    return locked


@transaction.atomic
def withdraw_application(
    application: CreditApplication, *, actor: Actor, reason: str, on: date
) -> CreditApplication:
    """The prospect does not want it any more. Raises ApplicationError."""
    if not reason.strip():
        raise ApplicationError("no_reason", _("Say why the application ends."), "reason")
    locked = lock_application(application)
    if stands_at(locked) not in (Status.OPEN, Status.GRANTED):
        raise ApplicationError(
            "state",
            _("This application is over, or its limit waits for approval: take that proposal back first."),
        )
    return move_application(locked, Status.WITHDRAWN, actor=actor, on=on, reason=reason)
