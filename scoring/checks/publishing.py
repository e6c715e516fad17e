"""Credit check policies: what they say, and what publishing one takes. Their life: scoring/segment_policies.py."""

from __future__ import annotations

from datetime import date
from types import MappingProxyType
from typing import Any

from django.db.models import QuerySet
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from customers.models import CreditAccount, OpenOrder
from scoring.checks.terms import MEANING
from scoring.models import CheckPolicy
from scoring.segment_policies import PolicyError, SegmentPolicies, accounts_decided_by, label_of

AT_ONCE = 50
"""Open orders up to which a person waits: each is asked twice."""
POINTS = ("at_order", "at_pick", "at_delivery", "at_invoice")
RULE_TERMS = (
    *("code", "number", "amount", "grade", *POINTS),
    *("on_orderer", "on_group", "without_disputed", "stops"),
)


def open_orders(accounts: QuerySet[CreditAccount]) -> QuerySet[OpenOrder]:
    """The orders of some accounts that are not closed, as they stand now."""
    return OpenOrder.objects.filter(
        account__in=accounts.values("pk"), superseded_at__isnull=True, closed_on__isnull=True
    )


class CheckPolicies(SegmentPolicies[CheckPolicy]):
    model = CheckPolicy
    act = "check_policy"
    sections = (
        (gettext_lazy("Who is checked"), ("currency", "group_binds", "check_orderer")),
        (
            gettext_lazy("Reservations, holds, releases"),
            ("reservation_minutes", "decide_within_days", "release_days"),
        ),
    )
    terms = tuple(name for _title, names in sections for name in names)
    rows = MappingProxyType({"rules": RULE_TERMS})
    row_keys = frozenset({"code", "stops"})

    def row_name(self, relation: str, row: Any) -> str:
        return f"{row.code}{'' if row.stops else ' (warns)'}"

    def row_title(self, relation: str, row: Any) -> Any:
        name = capfirst(row.get_code_display())
        return (
            _("%(rule)s: stops the business") % {"rule": name}
            if row.stops
            else _("%(rule)s: warns") % {"rule": name}
        )

    def row_lines(self, relation: str, row: Any) -> list[tuple[str, str]]:
        """Only the thresholds a rule has; where and of whom it is asked in a line each."""
        lines = [
            (capfirst(str(meaning)), self.value_of(row, name)) for name, meaning in MEANING[row.code].items()
        ]
        points = [label_of(row, name) for name in POINTS if getattr(row, name)]
        also = [label_of(row, name) for name in ("on_orderer", "on_group") if getattr(row, name)]
        return [
            *lines,
            (_("Asked"), ", ".join(points) or "—"),
            (_("Besides who pays"), ", ".join(also) or "—"),
            (label_of(row, "without_disputed"), self.value_of(row, "without_disputed")),
        ]

    def is_quick(self, policy: CheckPolicy, as_of: date) -> bool:
        return not open_orders(accounts_decided_by(policy, as_of))[AT_ONCE : AT_ONCE + 1].exists()

    def simulate_range(self, policy: CheckPolicy, as_of: date, low: int, high: int) -> dict[str, Any]:
        from scoring.checks.effect import effect  # which asks this module what a policy says

        return effect(policy, as_of, low, high)

    def check_complete(self, version: CheckPolicy) -> None:
        if not version.rules.exists():
            raise PolicyError(
                "no_rules", _("A policy without rules would let everything pass: add at least one rule.")
            )


LIFE = CheckPolicies()
