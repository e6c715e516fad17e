"""What an import of evidence would store: new facts, corrections of stored ones, and how many say nothing new."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from customers.models import CreditAccount, Customer


@dataclass(slots=True)
class Row:
    """A good row: its customer's name in the file, and the values of the model's columns."""

    number: int
    customer: str
    values: dict[str, Any]


@dataclass(slots=True)
class Plan:
    """For one model: (customer or account, row, the stored version it corrects or None)."""

    model: Any
    new: list[tuple[Customer | CreditAccount, Row, Any]] = field(default_factory=list)
    corrected: list[tuple[Customer | CreditAccount, Row, Any]] = field(default_factory=list)
    unchanged: int = 0

    @property
    def customers(self) -> set[int]:
        return {
            owner.customer_id if isinstance(owner, CreditAccount) else owner.pk
            for owner, _row, _old in [*self.new, *self.corrected]
        }
