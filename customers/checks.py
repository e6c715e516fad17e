"""What a credit check is asked and what it answers. The rules live in scoring (scoring/checks); who asks, here.

Verbs that take on business (reservations, orders) ask through `ask_check`, so that none of them can go unchecked:
where nobody answers, the verb fails.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any

from django.utils.translation import gettext_lazy as _

from creditdesk.core.money import Money
from customers.access import Places
from customers.events import credit_check_wanted
from customers.limit_reasons import money_param
from customers.models import CheckPoint, CreditAccount, Customer

PAYER, ORDERER, TOTAL, GROUP = "payer", "orderer", "total", "group"
"""Levels of a check: who pays; who orders; all our companies together; a head of the payer's group."""
LEVELS = {
    PAYER: _("who pays"),
    ORDERER: _("who orders"),
    TOTAL: _("all our companies together"),
    GROUP: _("the group"),
}
HEADROOM = "headroom"  # the rule about what may be owed


@dataclass(frozen=True, slots=True)
class CheckRequest:
    """One question: may `amount` of business be taken on with the account that pays?

    account: the account that will owe. orderer: the customer who orders, where that is somebody else.
    amount: the whole amount at stake. counted: how much of it is in the account's exposure already (an order that is
    changed); adds: what the business adds to exposure, where that is not just amount - counted; already: how much of that the account's
    exposure shows by now (a version stored before it is checked). expected_on: delivery day; beyond the horizon (of
    the order's product_line) the amount takes no headroom yet.
    exclude_reservation: the reservation this very business holds, which must not count against itself.
    """

    account: CreditAccount
    amount: Money
    point: str
    as_of: date
    at: datetime
    orderer: Customer | None = None
    counted: Money | None = None
    expected_on: date | None = None
    exclude_reservation: int | None = None
    adds: Money | None = None
    already: Money | None = None
    product_line: str = ""


@dataclass(frozen=True, slots=True)
class Failure:
    """One rule that fails at one level (payer, orderer, total, group), with what would cure it.

    code: the sentence; rule: the rule it comes from. params: JSON-safe; amounts are {"minor", "currency"}, dates ISO
    text. missing: by how much, where the rule is about money. stops: False where it only warns.
    ask: whom to ask ("collector", "controller", "approver"); ask_name: the person, where one is known.
    ceiling: of a ceiling over all our companies, not of the sum of limits. places: where the accounts of a total or a
    group are (who does not see all of them is told no figures: `as_seen`).
    """

    rule: str
    code: str
    level: str
    account_id: int | None
    customer_id: int
    customer: str
    params: dict[str, Any] = field(default_factory=dict)
    missing: Money | None = None
    stops: bool = True
    cure: str = ""
    cure_params: dict[str, Any] = field(default_factory=dict)
    ask: str = "controller"
    ask_name: str = ""
    ceiling: bool = False
    places: Places = ()

    @property
    def key(self) -> str:
        """Of the Room it is about."""
        return _key(self.level, self.customer_id, self.ceiling)


@dataclass(frozen=True, slots=True)
class Room:
    """What one limit leaves, in its own currency: of who pays, of a total over our companies, or of a group head.

    limit None: none was decided. owed: exposure at the check's point, before this business; new: what it adds. free:
    limit and tolerance less owed and reserved. binds: False where another limit binds in its place. ceiling, places: as of
    a Failure. withheld: its figures are not for this reader.
    """

    level: str
    customer_id: int
    customer: str
    limit: Money | None
    owed: Money
    reserved: Money
    new: Money
    free: Money | None
    binds: bool = True
    ceiling: bool = False
    places: Places = ()
    withheld: bool = False

    @property
    def key(self) -> str:
        return _key(self.level, self.customer_id, self.ceiling)

    @property
    def would(self) -> Money:
        """What will be owed with this business."""
        return self.owed + self.new

    @property
    def label(self) -> str:
        """Whose limit it is, in the reader's language."""
        return f"{LEVELS[self.level]}: {self.customer}"

    @property
    def taken(self) -> Money:
        return self.owed + self.reserved

    def as_json(self) -> dict[str, Any]:
        found = {
            name: getattr(self, name) for name in ("level", "customer_id", "customer", "binds", "ceiling")
        }
        found["places"] = [list(place) for place in self.places]
        return found | {name: _param(getattr(self, name)) for name in ROOM_AMOUNTS}


ROOM_AMOUNTS = ("limit", "owed", "reserved", "new", "free")


def _key(level: str, customer_id: int, ceiling: bool) -> str:
    return f"{level}:{customer_id}:ceiling" if ceiling else f"{level}:{customer_id}"


def _places(stored: Mapping[str, Any]) -> Places:
    return tuple((company, portfolio) for company, portfolio in stored.get("places", ()))


def room_of(stored: Mapping[str, Any]) -> Room:
    amounts = {name: _money(stored[name]) for name in ROOM_AMOUNTS}
    return Room(**{**stored, **amounts, "places": _places(stored)})


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The answer: passes when no failure stops. Amounts in the paying account's currency.

    headroom: limit plus tolerance, less exposure and reservations, before this business; None without a limit.
    new: what the business adds to exposure. missing: the largest amount missing at any level. fits: how much more
    passes the headroom rules of every level now. disputed: left out of the rules that leave disputes out.
    rooms: every limit that was looked at; bound_by: the level and customer of the tightest that binds.
    horizon_days, beyond_horizon: orders delivered later take no headroom yet. decide_within_days: in business days, how
    soon an order on hold has to be decided; release_days: how long a release lasts at most.
    """

    account_id: int
    point: str
    as_of: date
    amount: Money
    new: Money
    limit: Money | None
    tolerance: Money
    exposure: Money
    reserved: Money
    headroom: Money | None
    fits: Money | None
    disputed: Money
    horizon_days: int
    beyond_horizon: bool
    failures: tuple[Failure, ...]
    policy_id: int | None = None
    rules: tuple[str, ...] = ()
    decide_within_days: int = 2
    release_days: int = 30
    rooms: tuple[Room, ...] = ()
    bound_by: str = ""
    product_line: str = ""

    @property
    def tightest(self) -> Room | None:
        """The limit that leaves least room of those that bind."""
        return next((room for room in self.rooms if room.key == self.bound_by), None)

    @property
    def passes(self) -> bool:
        return not any(failure.stops for failure in self.failures)

    @property
    def stopping(self) -> tuple[Failure, ...]:
        return tuple(failure for failure in self.failures if failure.stops)

    @property
    def missing(self) -> Money | None:
        """The most that is missing anywhere, in the paying account's currency where all levels share it."""
        amounts = [
            f.missing for f in self.stopping if f.missing and f.missing.currency == self.amount.currency
        ]
        return max(amounts, default=None)

    @property
    def blocking_level(self) -> str:
        """The first level that stops the business: payer, orderer, total, then group; "" when it passes."""
        levels = {failure.level for failure in self.stopping}
        return next((level for level in (PAYER, ORDERER, TOTAL, GROUP) if level in levels), "")

    def as_json(self) -> dict[str, Any]:
        """Stored with reservations and holds; never read back into rules."""
        return {
            "point": self.point,
            "as_of": self.as_of.isoformat(),
            "passes": self.passes,
            "amount": money_param(self.amount),
            "new": money_param(self.new),
            "limit": _param(self.limit),
            "tolerance": money_param(self.tolerance),
            "exposure": money_param(self.exposure),
            "reserved": money_param(self.reserved),
            "headroom": _param(self.headroom),
            "fits": _param(self.fits),
            "disputed": money_param(self.disputed),
            "horizon_days": self.horizon_days,
            "beyond_horizon": self.beyond_horizon,
            "policy": self.policy_id,
            "rules": list(self.rules),
            "failures": [failure_json(failure) for failure in self.failures],
            "rooms": [room.as_json() for room in self.rooms],
            "bound_by": self.bound_by,
            "product_line": self.product_line,
        }


def _money(stored: Mapping[str, Any] | None) -> Any:
    return stored and Money(int(stored["minor"]), stored["currency"])


def _param(money: Money | None) -> dict[str, Any] | None:
    return None if money is None else money_param(money)


def failure_json(failure: Failure) -> dict[str, Any]:
    found = {name: getattr(failure, name) for name in Failure.__slots__}
    found["missing"] = _param(failure.missing)
    found["places"] = [list(place) for place in failure.places]
    return found


def failure_of(stored: Mapping[str, Any]) -> Failure:
    """The Failure behind a stored one, for its sentence."""
    values = dict(stored)
    values["missing"] = _money(values.get("missing"))
    values["places"] = _places(stored)
    return Failure(**values)


def failure_as_seen(failure: Failure, sees: Callable[[Places], bool]) -> Failure:
    """Without figures where accounts the reader does not see count in them."""
    if failure.level not in (TOTAL, GROUP) or sees(failure.places):
        return failure
    params, cure_params = (dict[str, Any].fromkeys(told) for told in (failure.params, failure.cure_params))
    return replace(failure, missing=None, params=params, cure_params=cure_params)


def as_seen(result: CheckResult, sees: Callable[[Places], bool]) -> CheckResult:
    """The answer for one reader (`access.sight_of`): totals and groups with other accounts in them tell no amounts."""
    rooms = []
    for room in result.rooms:
        if room.level in (TOTAL, GROUP) and not sees(room.places):
            zero = Money.zero(room.new.currency)
            room = replace(room, limit=None, owed=zero, reserved=zero, free=None, withheld=True)
        rooms.append(room)
    hidden = {room.key for room in rooms if room.withheld}
    return replace(
        result,
        rooms=tuple(rooms),
        failures=tuple(failure_as_seen(failure, sees) for failure in result.failures),
        fits=None if result.bound_by in hidden else result.fits,
    )


def result_of(stored: Mapping[str, Any], account_id: int) -> CheckResult:
    """The CheckResult behind a stored one (`as_json`), for its sentences and figures."""
    amounts = ("amount", "new", "limit", "tolerance", "exposure", "reserved", "headroom", "fits", "disputed")
    return CheckResult(
        account_id=account_id,
        point=stored["point"],
        as_of=date.fromisoformat(stored["as_of"]),
        **{name: _money(stored[name]) for name in amounts},
        horizon_days=stored["horizon_days"],
        beyond_horizon=stored["beyond_horizon"],
        failures=tuple(failure_of(failure) for failure in stored["failures"]),
        policy_id=stored["policy"],
        rules=tuple(stored["rules"]),
        rooms=tuple(room_of(room) for room in stored.get("rooms", ())),
        bound_by=stored.get("bound_by", ""),
        product_line=stored.get("product_line", ""),
    )


class NobodyChecks(RuntimeError):
    """No app answers credit checks: without an answer no business is taken on."""


def ask_check(request: CheckRequest) -> CheckResult:
    """The answer of the app that checks credit (scoring). Raises NobodyChecks, MissingRate."""
    answers: list[Any] = [
        answer for _r, answer in credit_check_wanted.send(sender=CheckRequest, request=request) if answer
    ]
    if len(answers) != 1:
        raise NobodyChecks(f"{len(answers)} answers to a credit check: exactly one app must answer")
    return answers[0]


__all__ = [
    "GROUP",
    "HEADROOM",
    "ORDERER",
    "PAYER",
    "TOTAL",
    "CheckPoint",
    "CheckRequest",
    "CheckResult",
    "Failure",
    "NobodyChecks",
    "Room",
    "as_seen",
    "ask_check",
    "failure_as_seen",
    "failure_json",
    "failure_of",
    "result_of",
]
