"""Where people's words about a customer stand, so that they can be erased (scoring/erasing.py; docs/erasure.md).

Each place names its table, the columns that go together, who wrote them, whose they are and how long they are still
needed. A guard of each table lets its words go and nothing else. Higher apps add their own places when they start.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext as _

from customers.applications import RUNNING
from customers.models import (
    ApplicationDocument,
    BankConsent,
    BureauBasis,
    BureauPull,
    CreditAccount,
    CreditApplication,
    CreditHold,
    LimitBinding,
    LimitChange,
    LimitChangeComment,
    LimitDecision,
    OrderHold,
    Promise,
)
from scoring.models import Decision, LimitReview, ScoreOverride, ScoreReview

WRITTEN: dict[type[models.Model], tuple[str, ...]] = {
    ScoreReview: ("note",),
    ScoreOverride: ("note", "end_reason"),
    Decision: ("note", "told"),
    LimitReview: ("note",),
    LimitChange: ("comment", "decision_reason"),
    LimitDecision: ("reason",),
    LimitChangeComment: ("text",),
    CreditHold: ("note", "release_reason"),
    BureauPull: ("reason",),
}
"""Where words stand, and in which columns; a guard of each table lets them go all together and nothing else."""
AUTHORS: dict[type[models.Model], tuple[str, ...]] = {
    ScoreReview: ("by",),
    ScoreOverride: ("made_by", "ended_by"),
    Decision: ("decided_by",),
    LimitReview: ("by",),
    LimitChange: ("proposer", "decided_by"),
    LimitDecision: ("decided_by",),
    LimitChangeComment: ("author",),
    CreditHold: ("placed_by", "released_by"),
    BureauPull: ("asked_by",),
}


@dataclass(frozen=True, slots=True)
class Place:
    """Words in the rows of one table. key: begins the name of a row in a form; on: the column that dates it; whose: the
    rows of an account; needed(row, as_of): why it is not over yet on a day, or ""."""

    key: str
    model: Any
    words: tuple[str, ...]
    authors: tuple[str, ...]
    on: str
    what: Callable[[Any], str]
    whose: Callable[[CreditAccount], Q]
    needed: Callable[[Any, date], str] = lambda row, as_of: ""


PLACES: list[Place] = []


def also_written(place: Place) -> None:
    """Make words of one more table known. Done again, it changes nothing."""
    if all(one.model is not place.model for one in PLACES):
        PLACES.append(place)
        WRITTEN[place.model], AUTHORS[place.model] = place.words, place.authors


def rows_with_words(place: Place, account: CreditAccount) -> Iterator[tuple[Any, date]]:
    some = Q()
    for name in place.words:
        some |= ~Q(**{name: ""})
    for row in place.model.objects.filter(place.whose(account), some).select_related(*place.authors):
        day = getattr(row, place.on)
        yield row, day.date() if isinstance(day, datetime) else day


def of_account(path: str = "account") -> Callable[[CreditAccount], Q]:
    """Of the account, and of those joined into it when customers were merged."""
    return lambda account: Q(**{path: account.pk}) | Q(**{f"{path}__joined_into": account.pk})


def _of_customer(account: CreditAccount) -> Q:
    """Also what stays with a customer that was merged into this one."""
    return Q(customer=account.customer_id) | Q(customer__merged_into=account.customer_id)


def _basis_needed(row: Any, as_of: date) -> str:
    """A ground or a consent proves that reading was lawful while it is in force."""
    revoked, expires = row.revoked_on, row.expires_on
    if row.superseded_at or (revoked and revoked <= as_of) or (expires and expires < as_of):
        return ""
    return _("It is in force: where it is kept is needed until it ended or was revoked.")


def _application_needed(row: CreditApplication, as_of: date) -> str:
    return (
        _("The application is running: its words are needed until it is over.")
        if row.status in RUNNING
        else ""
    )


def _document_needed(row: ApplicationDocument, as_of: date) -> str:
    return "" if row.removed_at else _("Remove the document first, with its content.")


def _order_needed(row: OrderHold, as_of: date) -> str:
    waits = row.status == OrderHold.Status.WAITING
    return _("The order waits for a decision: its words are needed until then.") if waits else ""


def _binding_needed(row: LimitBinding, as_of: date) -> str:
    waits = row.status == LimitBinding.Status.WAITING
    return _("The setting waits to be decided: its words are needed until then.") if waits else ""


for _place in (
    Place(
        "basis",
        BureauBasis,
        ("reference",),
        ("recorded_by",),
        "effective_on",
        lambda row: _("legal basis of agency reports: %s") % row.get_ground_display(),
        _of_customer,
        _basis_needed,
    ),
    Place(
        "consent",
        BankConsent,
        ("reference",),
        (),
        "effective_on",
        lambda row: _("bank data consent: %s") % row.purpose,
        _of_customer,
        _basis_needed,
    ),
    Place(
        "application",
        CreditApplication,
        ("note", "contact_name", "contact_email"),
        ("submitted_by",),
        "received_on",
        lambda row: _("credit application"),
        of_account(),
        _application_needed,
    ),
    Place(
        "document",
        ApplicationDocument,
        ("name", "removed_because"),
        ("uploaded_by", "removed_by"),
        "uploaded_at",
        lambda row: _("document of an application: %s") % row.get_kind_display(),
        of_account("application__account"),
        _document_needed,
    ),
    Place(
        "order",
        OrderHold,
        ("grace_reason", "resolved_reason"),
        ("resolved_by",),
        "placed_on",
        lambda row: _("hold of order %s") % row.order_number,
        of_account(),
        _order_needed,
    ),
    Place(
        "binding",
        LimitBinding,
        ("reason", "decision_reason"),
        ("proposed_by", "decided_by"),
        "proposed_on",
        lambda row: _("which limit binds: %s") % row.get_binds_display(),
        _of_customer,
        _binding_needed,
    ),
    Place(
        "promise",
        Promise,
        ("given_by",),
        ("taken_by",),
        "effective_on",
        lambda row: _("who gave a promise of %s") % row.amount,
        of_account(),
    ),
):
    also_written(_place)
