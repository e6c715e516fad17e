"""What an adapter is: the few things an agency's interface differs in. One's own is a class and a line of settings.

An adapter turns a question about a customer into the agency's answer in our words. It is told everything (settings,
secret, question), keeps nothing, and touches no database. `read` is pure, so that a recorded answer can be tried.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from functools import cache
from typing import Any, Protocol

from django.conf import settings
from django.utils.module_loading import import_string

from creditdesk.core.sentences import Sentence
from creditdesk.core.sentences import gettext as _


@dataclass(frozen=True, slots=True)
class Question:
    """Whom we ask about, with the identifiers we have ("" where we have none), and the day on which we ask."""

    name: str
    country: str
    kind: str
    as_of: date
    vat_number: str = ""
    registration_number: str = ""
    lei: str = ""
    city: str = ""
    number: str = ""
    product: str = ""
    idempotency_key: str = ""

    def known(self) -> dict[str, str]:
        """By name, for the places of a configured request."""
        names = ("name", "country", "vat_number", "registration_number", "lei", "city", "number", "product")
        return {name: getattr(self, name) for name in (*names, "idempotency_key")}


@dataclass(frozen=True, slots=True)
class Terms:
    """How one agency is asked: its settings as configured, and the secret as read this moment."""

    settings: dict[str, Any]
    secret: str = field(default="", repr=False)
    seconds: float = 15.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What the agency says, in our words (customers.models.BureauReport). payload: as it came, kept apart.

    effective_on None: the agency does not date its assessment, so it speaks of the day we asked.
    """

    outcome: str
    payload: str = ""
    reference: str = ""
    effective_on: date | None = None
    standing: int | None = None
    raw_score: str = ""
    raw_scale: str = ""
    pd_basis_points: int | None = None
    days_beyond_terms: int | None = None
    recommended_limit: Decimal | None = None
    currency: str = ""
    activity: str = "unknown"


class AgencyError(Exception):
    """Nothing came of a question. `outcome` is that of the pull; the text says why, and what to do."""

    outcome = "unavailable"

    def __init__(self, text: str, *, retry_after: int | None = None, payload: str = "") -> None:
        super().__init__(text)
        self.retry_after, self.payload = retry_after, payload


class Unavailable(AgencyError):
    """Not reached, too slow, overloaded, or it says so: the next agency is asked, and this one may be again.

    was_sent: the question had gone out, and no answer came: it may have been charged.
    """

    def __init__(self, text: str, *, retry_after: int | None = None, was_sent: bool = False) -> None:
        super().__init__(text, retry_after=retry_after)
        self.was_sent = was_sent


class Refused(AgencyError):
    """It does not let us ask (credentials, a question it does not understand), or we do not go there. Nothing is charged."""

    outcome = "refused"


class BadAnswer(AgencyError):
    """It answered what cannot be used. field: where; the text says what is wrong with it and the cure."""

    outcome = "bad_answer"

    def __init__(self, field: str, text: str, *, payload: str = "") -> None:
        super().__init__(text, payload=payload)
        self.field = field

    @property
    def sentence(self) -> Sentence | None:
        """With where it stands; None for an adapter's own plain text without a field."""
        said = self.args[0]
        return (
            Sentence("%s: %s", (self.field, said))
            if self.field
            else said
            if isinstance(said, Sentence)
            else None
        )

    def __str__(self) -> str:
        return str(self.sentence or self.args[0])


class Adapter(Protocol):
    """label: for the list of the admin."""

    label: Any
    needs_secret: bool

    def repeats(self, settings: dict[str, Any]) -> bool:
        """Whether a question sent twice with one idempotency key is answered, and paid, once."""

    def check(self, settings: dict[str, Any]) -> list[str]:
        """What is wrong with the settings, a sentence each naming the key and the cure; empty: nothing."""

    def scale(self, settings: dict[str, Any]) -> str:
        """How the agency's scale becomes our standing, in a sentence for the page."""

    def ask(self, question: Question, terms: Terms) -> Answer:
        """Ask over the network. Raises AgencyError."""

    def read(self, text: str, settings: dict[str, Any], as_of: date) -> Answer:
        """An answer from its raw text. Raises BadAnswer."""


def registered() -> dict[str, str]:
    """{name: dotted name of the class}, from the settings BUREAU_ADAPTERS."""
    return dict(settings.BUREAU_ADAPTERS)


@cache
def _made(dotted: str) -> Adapter:
    return import_string(dotted)()


def adapter_named(name: str) -> Adapter:
    """Raises Refused for a name that is not registered (any more)."""
    dotted = registered().get(name)
    if dotted is None:
        raise Refused(
            _("There is no adapter named %(name)s: add it to BUREAU_ADAPTERS, or choose another.")
            % {"name": name}
        )
    return _made(dotted)


def choices() -> list[tuple[str, str]]:
    return [(name, f"{name} · {adapter_named(name).label}") for name in sorted(registered())]
