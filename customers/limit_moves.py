"""Which facts moved between two pieces of evidence on a limit (as limit_evidence.py stores them), and which way.

A move is worse when it speaks for less credit: a lower score or grade, more overdue, an older oldest item, a new
dispute or broken promise, a customer who is no longer active, exposure that rose above the limit proposed, cover that
fell. It is material when it is worse by more than the passing of days explains. Nothing here is formatted.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from creditdesk.core.money import Money
from customers.limit_evidence import money_of
from customers.models import Customer

Evidence = Mapping[str, Any]

WORSE, BETTER, NEUTRAL = "worse", "better", "neutral"
SCORE_STEP = 5  # points of a hundred; smaller moves are noise within a grade
EXPOSURE_SHARE = 10  # per cent of the exposure then
GOOD_STATUS = (Customer.Status.ACTIVE, Customer.Status.PROSPECT)


@dataclass(frozen=True, slots=True)
class Move:
    """One fact that differs. then, now: Money, int, str or None; tells: worse, better or neutral for credit."""

    code: str
    then: Any
    now: Any
    tells: str
    is_material: bool = False


def moves(then: Evidence, now: Evidence, proposed: Money | None = None) -> list[Move]:
    """What moved, the worst first. Facts missing on one side (no score yet) are moves; on both, not."""
    found = []
    for code, read, judge in _FACTS:
        before, after = read(then), read(now)
        if before == after:
            continue
        tells, material = judge(before, after)
        found.append(Move(code, before, after, tells, material))
    found += _above_limit(then, now, proposed)
    order = {WORSE: 0, NEUTRAL: 1, BETTER: 2}
    return sorted(found, key=lambda move: (not move.is_material, order[move.tells]))


def fingerprint(evidence: Evidence) -> str:
    """A short hash of the facts that moves() compares: what somebody looked at when they decided."""
    facts = {code: _plain(read(evidence)) for code, read, _judge in _FACTS}
    text = json.dumps(facts, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def _plain(value: Any) -> Any:
    return [value.minor, value.currency] if isinstance(value, Money) else value


def _above_limit(then: Evidence, now: Evidence, proposed: Money | None) -> list[Move]:
    before, after = _exposure(then), _exposure(now)
    if proposed is None or after is None or after.currency != proposed.currency or after <= proposed:
        return []
    if before is not None and before > proposed:
        return []
    return [Move("exposure_above_limit", before, after, WORSE, True)]


def _exposure(evidence: Evidence) -> Money | None:
    return money_of((evidence.get("exposure") or {}).get("total"))


def _more_is_worse(least: int) -> Callable[[Any, Any], tuple[str, bool]]:
    """Counts and amounts: material when they grew by at least `least` (minor units, days, pieces)."""

    def judge(before: Any, after: Any) -> tuple[str, bool]:
        was, is_now = _number(before), _number(after)
        return (WORSE, is_now - was >= least) if is_now > was else (BETTER, False)

    return judge


def _number(value: Any) -> int:
    return value.minor if isinstance(value, Money) else int(value or 0)


def _judge_score(before: Any, after: Any) -> tuple[str, bool]:
    if before is None or after is None:
        return (WORSE, True) if after is None else (NEUTRAL, False)
    return (WORSE, before - after >= SCORE_STEP) if after < before else (BETTER, False)


def _judge_grade(before: Any, after: Any) -> tuple[str, bool]:
    if not before or not after:
        return (WORSE, True) if not after else (NEUTRAL, False)
    return (WORSE, True) if after > before else (BETTER, False)


def _judge_exposure(before: Any, after: Any) -> tuple[str, bool]:
    was, is_now = _number(before), _number(after)
    return NEUTRAL, abs(is_now - was) * 100 > abs(was) * EXPOSURE_SHARE


def _judge_cover(before: Any, after: Any) -> tuple[str, bool]:
    return (WORSE, True) if _number(after) < _number(before) else (BETTER, False)


def _judge_status(_before: Any, after: Any) -> tuple[str, bool]:
    return (BETTER, False) if after in GOOD_STATUS else (WORSE, True)


def _neutral(_before: Any, _after: Any) -> tuple[str, bool]:
    return NEUTRAL, True


def _judge_oldest(before: Any, after: Any) -> tuple[str, bool]:
    """An item that was late grows older by itself; material is a first late item, or one past 30, 60, 90 days."""
    was, is_now = _number(before), _number(after)
    if is_now <= was:
        return BETTER, False
    return WORSE, was <= 0 or any(was <= step < is_now for step in (30, 60, 90))


_FACTS: tuple[tuple[str, Callable[[Evidence], Any], Callable[[Any, Any], tuple[str, bool]]], ...] = (
    ("grade", lambda e: e.get("grade") or None, _judge_grade),
    ("score", lambda e: e.get("score"), _judge_score),
    ("exposure", _exposure, _judge_exposure),
    ("overdue", lambda e: money_of(e.get("overdue")), _more_is_worse(1)),
    ("oldest_days_past_due", lambda e: e.get("oldest_days_past_due") or 0, _judge_oldest),
    ("limit", lambda e: money_of((e.get("limit") or {}).get("in_force")), _neutral),
    ("customer_status", lambda e: e.get("customer_status"), _judge_status),
    ("open_disputes", lambda e: (e.get("history") or {}).get("open_disputes", 0), _more_is_worse(1)),
    ("broken_promises", lambda e: (e.get("history") or {}).get("broken_promises", 0), _more_is_worse(1)),
    ("cover", lambda e: money_of((e.get("exposure") or {}).get("cover")), _judge_cover),
)
