"""What stands in the ledger about each account with overdue money, as one plain record per account."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from worklists.ranking import collectable

CONTACT_GAP_DAYS = 4
RETRY_GAP_DAYS = 1


@dataclass(slots=True)
class Item:
    """One open instalment. Money in minor units of `currency`."""

    pk: int
    number: str
    currency: str
    open_minor: int
    issued_on: date
    due_on: date
    disputed: int = 0
    promised: int = 0
    blocked: bool = False

    @property
    def collectable(self) -> int:
        return collectable(
            self.open_minor, disputed=self.disputed, promised=self.promised, blocked=self.blocked
        )


@dataclass(slots=True)
class Behaviour:
    """How the account has paid. Days are whole days late of cash allocations (negative: early)."""

    paid_ever: int = 0
    late_ever: int = 0
    year_count: int = 0
    year_mean: float = 0.0
    year_spread: float = 0.0
    before_count: int = 0
    before_mean: float = 0.0
    season_count: int = 0
    season_mean: float = 0.0
    rest_count: int = 0
    rest_mean: float = 0.0
    last_payment_on: date | None = None


@dataclass(slots=True)
class Sum:
    """An amount (minor units) with its currency and the day that matters about it."""

    minor: int
    currency: str
    on: date
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Situation:
    """One account as it stands on `as_of`, judged on `judged_on` (not beyond the complete ledger).

    overdue, overdue_before (30 days ago), limit and exposure: minor units of the account's currency.
    """

    account_id: int
    customer: str
    collector_id: int | None
    currency: str
    company_currency: str
    as_of: date
    judged_on: date
    grade: str = ""
    insolvent: bool = False
    insolvent_on: date | None = None
    handed_over_on: date | None = None
    items: list[Item] = field(default_factory=list)
    overdue: int = 0
    overdue_before: int = 0
    typical_item: int = 0
    behaviour: Behaviour = field(default_factory=Behaviour)
    broken: Sum | None = None
    broken_count: int = 0
    promise_today: Sum | None = None
    dispute_closed: Sum | None = None
    disputed_reason: str = ""
    returned: Sum | None = None
    unapplied: Sum | None = None
    limit: int | None = None
    exposure: int | None = None
    group: dict[str, Any] | None = None
    last_contact_on: date | None = None
    last_contact_reached: bool = True
    reminder_level: int = 0
    reminded_on: date | None = None
    undelivered_on: date | None = None
    blocked_until: date | None = None
    snoozed_until: date | None = None
    parts: list[tuple[int, int]] = field(default_factory=list)
    # Every rule asks for these; kept from the first question on, when items and holds stand.
    _chased: list[Item] | None = field(default=None, init=False, repr=False, compare=False)
    _oldest: Item | None = field(default=None, init=False, repr=False, compare=False)

    @property
    def is_legal(self) -> bool:
        return self.insolvent or self.handed_over_on is not None

    @property
    def chased(self) -> list[Item]:
        """Items of which something may be asked for now."""
        if self._chased is None:
            self._chased = [item for item in self.items if item.collectable > 0]
        return self._chased

    @property
    def oldest(self) -> Item:
        if self._oldest is None:
            self._oldest = min(self.chased or self.items, key=lambda item: (item.due_on, item.pk))
        return self._oldest

    @property
    def days(self) -> int:
        """Days past due of the oldest item that is chased."""
        return (self.judged_on - self.oldest.due_on).days

    @property
    def largest(self) -> Item:
        return max(self.chased or self.items, key=lambda item: (item.collectable, -item.pk))

    @property
    def collectable_minor(self) -> int:
        """In minor units of the company's currency."""
        return sum(amount for amount, _days in self.parts)

    @property
    def next_contact_on(self) -> date | None:
        """First day the customer may be contacted again, when somebody was in touch recently."""
        if self.last_contact_on is None:
            return None
        gap = CONTACT_GAP_DAYS if self.last_contact_reached else RETRY_GAP_DAYS
        day = self.last_contact_on + timedelta(days=gap)
        return day if day > self.as_of else None

    @property
    def something_new(self) -> bool:
        """A fact since the last contact that is worth another one at once."""
        facts = [fact for fact in (self.broken, self.returned, self.dispute_closed) if fact is not None]
        news = [fact.extra.get("resolved_on", fact.on) for fact in facts]
        return self.last_contact_on is not None and any(day >= self.last_contact_on for day in news)
