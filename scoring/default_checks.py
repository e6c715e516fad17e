"""The credit checks the product ships, for every segment without a policy of its own."""

from __future__ import annotations

from datetime import date
from typing import Any

from django.db import transaction

from scoring.models import CheckPolicy, CheckRule, CheckRuleCode

Code = CheckRuleCode
EVERYWHERE: dict[str, Any] = {"at_order": True, "at_pick": True, "at_delivery": True}

RULES: tuple[dict[str, Any], ...] = (
    # Disputed debts take room until the dispute is settled: they may well have to be paid.
    {"code": Code.HEADROOM, "on_group": True, "without_disputed": False, **EVERYWHERE},
    {"code": Code.STATUS, "on_orderer": True, "on_group": True, **EVERYWHERE},
    {"code": Code.HOLD, "on_orderer": True, "on_group": True, **EVERYWHERE},
    {"code": Code.OLDEST_ITEM, "number": 30, "amount": 5_000, "on_orderer": True, **EVERYWHERE},
    {"code": Code.PAST_DUE_SHARE, "number": 50, "amount": 50_000, **EVERYWHERE},
    {"code": Code.BROKEN_PROMISE, "number": 30, "at_order": True, "at_pick": False, "at_delivery": True},
    {"code": Code.DUNNING_LEVEL, "number": 3, "on_orderer": True, **EVERYWHERE},
    {"code": Code.GRADE, "grade": "D", "at_order": True, "at_pick": False, "at_delivery": False},
    # What only warns: the salesperson hears it in time.
    {
        "code": Code.HEADROOM,
        "without_disputed": False,
        "stops": False,
        **dict.fromkeys(EVERYWHERE, False),
        "at_invoice": True,
    },
    {
        "code": Code.GRADE,
        "grade": "C",
        "stops": False,
        "at_order": True,
        "at_pick": False,
        "at_delivery": False,
    },
    {"code": Code.DUNNING_LEVEL, "number": 2, "stops": False, **EVERYWHERE},
    # What goes beyond the room at our own risk is taken on under cover: a guarantee is asked.
    {"code": Code.SECURED, "stops": False, "at_order": True, "at_pick": False, "at_delivery": False},
)


@transaction.atomic
def ensure_default_checks() -> CheckPolicy:
    """Version 1 for every segment, created when no policy for every segment exists. Idempotent."""
    existing = CheckPolicy.objects.filter(segment__isnull=True).order_by("version").first()
    if existing is not None:
        return existing
    # A draft first: what a policy in use says can no longer be written (triggers).
    policy = CheckPolicy.objects.create(version=1, valid_from=date(2000, 1, 1), is_shipped=True)
    CheckRule.objects.bulk_create(CheckRule(policy=policy, **rule) for rule in RULES)
    policy.status = CheckPolicy.Status.ACTIVE
    policy.save(update_fields=["status"])
    return policy
