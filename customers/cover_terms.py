"""What each cover is worth against an account's open items on a day, and why not more. Pure rules, no queries.

Covers are called upon in the order deposit, bank guarantee, credit insurance, parent guarantee. Each takes the open
items its terms allow (first those that no other cover would take, then the oldest), up to its amount and to what of
the exposure is not protected yet; it is worth that base x covered share x (1 - haircut). So no item is protected
twice, and what is protected is never more than the exposure.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

from creditdesk.core.money import Money
from customers.models import Cover, CoverNotice, Customer
from customers.open_items import PLUS, Item

ORDER_OF_CALL = {kind: rank for rank, kind in enumerate(("deposit", "guarantee", "insurance", "parent"))}
GONE = {Customer.Status.INSOLVENT, Customer.Status.CLOSED}
# Why a cover as a whole counts for nothing.
EXPIRED, NO_GUARANTOR, REPLACED = "expired", "guarantor_gone", "insurer_decided"
# Why part of the exposure is not protected by it.
WITHDRAWN, ENDS_BEFORE, STOPPED = "withdrawn", "ends_before_shipment", "extension_passed"
LONG_TERMS, NOT_NOTIFIED, DISPUTED = "terms_too_long", "not_notified", "disputed"
ABOVE, OWN_SHARE, HAIRCUT = "above_amount", "own_share", "haircut"
# Nothing shipped from now on is covered.
STOPS = {WITHDRAWN, STOPPED}


@dataclass(frozen=True, slots=True)
class Exclusion:
    """How much of the exposure a term leaves unprotected, in the account's currency; `on`: the day it speaks of."""

    code: str
    amount: Money
    on: date | None = None
    days: int | None = None


@dataclass(slots=True)
class CoverPart:
    """One cover on a day. base: exposure it stands for; secured: what it would pay of that; room: base still free.

    why_not: why it counts for nothing as a whole ("" when it counts). Money in the account's currency.
    """

    cover: Cover
    limit: Money
    base: Money
    secured: Money
    room: Money
    why_not: str = ""
    why_on: date | None = None
    exclusions: list[Exclusion] = field(default_factory=list)

    def worth(self, base: Money) -> Money:
        """What the cover would pay of a loss of `base`."""
        return Money(_worth(self.cover, base.minor), base.currency)


@dataclass(slots=True)
class CoverStanding:
    """An account's covers on a day. secured never exceeds the exposure; room: what new shipments would be worth."""

    account_id: int
    currency: str
    as_of: date
    exposure: Money
    parts: list[CoverPart] = field(default_factory=list)

    @property
    def secured(self) -> Money:
        return sum((part.secured for part in self.parts), Money.zero(self.currency))

    @property
    def unsecured(self) -> Money:
        rest = self.exposure - self.secured
        return rest if rest.minor > 0 else Money.zero(self.currency)

    @property
    def room(self) -> Money:
        """What of new shipments would be secured by what the covers have left."""
        return sum((part.worth(part.room) for part in self.parts), Money.zero(self.currency))


@dataclass(frozen=True, slots=True)
class CoverFacts:
    """What `assess` needs besides the items: covers by account, notices by account, disputed minor units by
    instalment, status of guarantors by customer."""

    covers: Mapping[int, Sequence[Cover]]
    notices: Mapping[int, Sequence[CoverNotice]] = field(default_factory=dict)
    disputed: Mapping[int, int] = field(default_factory=dict)
    guarantors: Mapping[int, str] = field(default_factory=dict)


def assess(
    account_id: int,
    exposure: Money,
    items: Sequence[Item],
    facts: CoverFacts,
    as_of: date,
    convert: Callable[[Money], Money],
) -> CoverStanding:
    """What an account's covers are worth at `as_of` against its open items (any currency; `convert` to the account's)."""
    standing = CoverStanding(account_id, exposure.currency, as_of, exposure)
    covers = sorted(
        facts.covers.get(account_id, ()), key=lambda c: (ORDER_OF_CALL[c.kind], c.effective_on, c.pk)
    )
    plus = [item for item in items if item.part in PLUS]
    worth = [convert(Money(item.minor, item.currency)).minor for item in plus]
    named = {(c.provider, c.policy) for c in covers if c.basis == Cover.Basis.NAMED and c.kind == "insurance"}
    takes: list[list[int]] = []
    for cover in covers:
        part = _opened(cover, exposure.currency, as_of, facts, named, convert)
        standing.parts.append(part)
        takes.append([0] * len(plus) if part.why_not else _allowed(part, plus, worth, facts, as_of))
    others = [sum(1 for taken in takes if taken[i]) for i in range(len(plus))]
    order = sorted(range(len(plus)), key=lambda i: (others[i], plus[i].on, plus[i].part, plus[i].pk))
    free, left = list(worth), max(exposure.minor, 0)
    for part, allowed in zip(standing.parts, takes, strict=True):
        left -= _call(part, allowed, free, left, order)
    return standing


def _opened(
    cover: Cover,
    currency: str,
    as_of: date,
    facts: CoverFacts,
    named: set[tuple[str, str]],
    convert: Callable[[Money], Money],
) -> CoverPart:
    zero = Money.zero(currency)
    limit = convert(cover.amount)
    part = CoverPart(cover, limit, zero, zero, zero)
    if cover.expires_on is not None and cover.expires_on < as_of:
        part.why_not, part.why_on = EXPIRED, cover.expires_on
    elif cover.guarantor_id and facts.guarantors.get(cover.guarantor_id) in GONE:
        part.why_not = NO_GUARANTOR
    elif cover.basis == Cover.Basis.DISCRETIONARY and (cover.provider, cover.policy) in named:
        part.why_not = REPLACED
    return part


def _allowed(
    part: CoverPart, items: Sequence[Item], worth: Sequence[int], facts: CoverFacts, as_of: date
) -> list[int]:
    """What of each item the cover's terms allow; what they do not is noted on the part."""
    cover = part.cover
    currency = part.limit.currency
    notices = [
        notice
        for notice in facts.notices.get(cover.account_id, ())
        if not notice.policy or notice.policy == cover.policy
    ]
    stopped_on = _stopped_on(cover, items, as_of)
    lost: dict[str, int] = defaultdict(int)
    allowed = []
    for item, minor in zip(items, worth, strict=True):
        why = _refused(cover, item, as_of, stopped_on, notices)
        if why:
            lost[why] += minor
            allowed.append(0)
            continue
        disputed = 0
        if cover.excludes_disputed and item.about in facts.disputed and item.minor:
            # In the item's own currency; its share of the item holds in any other.
            share = min(facts.disputed[item.about], item.minor)
            disputed = minor * share // item.minor
        lost[DISPUTED] += disputed
        allowed.append(minor - disputed)
    days = {WITHDRAWN: cover.withdrawn_on, ENDS_BEFORE: cover.expires_on, STOPPED: stopped_on}
    limits = {
        LONG_TERMS: cover.max_terms_days,
        NOT_NOTIFIED: cover.notify_days,
        STOPPED: cover.max_extension_days,
    }
    if cover.withdrawn_on is not None and cover.withdrawn_on <= as_of:
        lost[WITHDRAWN] += 0
    elif stopped_on is not None:
        lost[STOPPED] += 0
    part.exclusions = [
        Exclusion(code, Money(minor, currency), days.get(code), limits.get(code))
        for code, minor in lost.items()
        if minor or code in STOPS
    ]
    return allowed


def _stopped_on(cover: Cover, items: Sequence[Item], as_of: date) -> date | None:
    """The day on which an unpaid invoice had been overdue for the maximum extension; None while none has."""
    if cover.max_extension_days is None:
        return None
    due = [item.due_on for item in items if item.part == "open_invoices" and item.due_on]
    if not due:
        return None
    day = min(due) + timedelta(days=cover.max_extension_days)
    return day if day < as_of else None


def _refused(
    cover: Cover, item: Item, as_of: date, stopped_on: date | None, notices: Sequence[CoverNotice]
) -> str:
    """The code of the term that leaves the whole item unprotected; "" when none does."""
    shipped_on = item.on
    if item.part == "open_orders":
        shipped_on = max(item.due_on or as_of, as_of)
    if cover.withdrawn_on is not None and shipped_on > cover.withdrawn_on:
        return WITHDRAWN
    if cover.expires_on is not None and shipped_on > cover.expires_on:
        return ENDS_BEFORE
    if stopped_on is not None and shipped_on > stopped_on:
        return STOPPED
    if item.part != "open_invoices" or item.due_on is None:
        return ""
    if cover.max_terms_days is not None and (item.due_on - item.on).days > cover.max_terms_days:
        return LONG_TERMS
    if cover.notify_days is not None and (as_of - item.due_on).days > cover.notify_days:
        latest = item.due_on + timedelta(days=cover.notify_days)
        if not any(n.due_through >= item.due_on and n.effective_on <= latest for n in notices):
            return NOT_NOTIFIED
    return ""


def _call(part: CoverPart, allowed: list[int], free: list[int], left: int, order: Sequence[int]) -> int:
    """Take what the cover may of what is free; returns the base taken (minor units)."""
    if part.why_not:
        return 0
    currency, most = part.limit.currency, part.limit.minor
    base = above = 0
    for i in order:
        wanted = min(allowed[i], free[i])
        taken = min(wanted, most - base, left - base)
        free[i] -= taken
        base += taken
        above += wanted - taken
    secured = _worth(part.cover, base)
    part.base, part.secured = Money(base, currency), Money(secured, currency)
    if not any(one.code in STOPS for one in part.exclusions):
        part.room = Money(most - base, currency)
    full = base * part.cover.percent // 100
    # What cash and credit notes take off the exposure needs no cover.
    above = min(above, left - base)
    for code, minor in ((ABOVE, above), (OWN_SHARE, base - full), (HAIRCUT, full - secured)):
        if minor > 0:
            part.exclusions.append(Exclusion(code, Money(minor, currency)))
    return base


def _worth(cover: Cover, base: int) -> int:
    return base * cover.percent * (100 - cover.haircut_percent) // 10000
