"""What an account's ledger is made of while the story is told: documents, their parts, cash, and the world around."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal

from .book import Book
from .days import iso
from .sending import Sending


@dataclass(slots=True)
class World:
    """What every account's ledger shares: the tables, the dates, batches and numbering of our companies."""

    book: Book
    as_of: int
    complete: int
    start: int
    batch_of: Callable[[int, int], int | None]
    rate: Callable[[str, str, int], Decimal]
    sending: Callable[[int], Sending]
    numbers: dict[tuple[str, int, int], int] = field(default_factory=dict)

    def number(self, prefix: str, company: int, day: int) -> str:
        """A document number of that day: F261104-0017."""
        key = (prefix, company, day)
        taken = self.numbers.get(key, 0) + 1
        self.numbers[key] = taken
        return f"{prefix}{iso(day)[2:].replace('-', '')}-{taken:04d}"


@dataclass(slots=True, eq=False)
class Part:
    """An instalment. `moves`: (day, -amount, allocation id, kind) of everything that touched it."""

    id: int
    number: int
    due: int
    amount: int
    account_amount: int
    open: int
    moves: list[tuple[int, int, int, str]] = field(default_factory=list)

    def open_at(self, day: int) -> int:
        """What was open at the end of that day."""
        return self.amount + sum(minus for on, minus, _pk, _kind in self.moves if on <= day)


@dataclass(slots=True, eq=False)
class Doc:
    id: int
    kind: str
    number: str
    issued: int
    known: int
    currency: str
    parts: list[Part]
    corrects: int | None = None
    orderer: int | None = None
    superseded_known: int | None = None

    @property
    def amount(self) -> int:
        return sum(part.amount for part in self.parts)

    @property
    def open(self) -> int:
        return sum(part.open for part in self.parts)


@dataclass(slots=True, eq=False)
class Cash:
    """A payment and, while it is used, what it was applied to: (allocation id, part, amount, account amount)."""

    id: int
    key: str
    account: int
    on: int
    known: int
    instrument: str
    matures: int | None
    safe: int | None
    currency: str
    amount: int
    open: int
    source: int
    transferred_from: int | None
    applied: list[tuple[int, Part, int, int]] = field(default_factory=list)
