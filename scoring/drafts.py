"""Working on a draft scorecard: a copy of any version, its numbers, the bins of one signal at a time."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from creditdesk.core.audit import Change
from creditdesk.core.models import User
from scoring.beside import begin_anew
from scoring.calibrated import PD_NUMBERS, STATE_FIELDS, UNCALIBRATED
from scoring.models import Scorecard, ScorecardBin
from scoring.publishing import LIFE, PublishingError
from scoring.signals import BY_NAME

NUMBERS = LIFE.terms
"""What may be edited on a draft besides its name and bins."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a signal's table: values below `upper` (None: the last line), or the missing value."""

    points: int
    rationale: str
    upper: Decimal | None = None
    is_missing: bool = False


def copy_card(card: Scorecard, *, by: User, as_of: date, name: str = "") -> Scorecard:
    """A draft with the numbers and bins of any card, as the next version of its code."""
    return LIFE.copy(card, by=by, as_of=as_of, **({"name": name} if name else {}))


delete_draft = LIFE.delete_draft


def mark_of_numbers(card: Scorecard) -> str:
    """Names what the numbers say now: who saves what they read before somebody else's change is told."""
    return _mark({name: str(getattr(card, name)) for name in (*NUMBERS, "name")})


def mark_of_bins(bins: Iterable[ScorecardBin]) -> str:
    """The same of the bins of one signal."""
    return _mark([_described(b) for b in sorted(bins, key=lambda b: b.pk)])


def _mark(said: Any) -> str:
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:20]


def _ask_unchanged(read: str | None, now: str) -> None:
    if read is not None and read != now:
        raise PublishingError(
            "changed_meanwhile",
            _(
                "Somebody changed this since you opened the page. Save again to put your values in place of theirs, or go "
                "back to read theirs first."
            ),
        )


@transaction.atomic
def change_numbers(
    card: Scorecard, values: dict[str, Any], *, by: User, as_of: date, read: str | None = None
) -> Scorecard:
    """Set name, cut-offs, base points or odds of a draft; unknown names raise ValueError.

    read: `mark_of_numbers` of what the person read; refused where it is not what the draft says now.
    """
    locked = LIFE.editable(card, by)
    _ask_unchanged(read, mark_of_numbers(locked))
    unknown = set(values) - {*NUMBERS, "name"}
    if unknown:
        raise ValueError(f"not a number of a scorecard: {sorted(unknown)}")
    before = {name: getattr(locked, name) for name in values}
    if any(name in PD_NUMBERS and before[name] != value for name, value in values.items()):
        before, values = _uncalibrated(locked, before, values)
        begin_anew(locked, as_of)
    for name, value in values.items():
        setattr(locked, name, value)
    locked.full_clean(exclude=["code", "version"])
    locked.save(update_fields=[*values])
    LIFE.edited(locked, [Change.of(locked, _plain(before), _plain(values))], by=by, as_of=as_of)
    return locked


@transaction.atomic
def replace_bins(
    card: Scorecard, signal: str, rows: Sequence[Row], *, by: User, as_of: date, read: str | None = None
) -> None:
    """The bins of one signal of a draft, as a whole. No rows: the card no longer uses the signal.

    read: `mark_of_bins` of what the person read; refused where it is not what the draft says now.
    Raises PublishingError, or ValueError naming the line: bounds must rise, each line needs its rationale,
    exactly one line has no upper bound and exactly one is for the missing value.
    """
    locked = LIFE.editable(card, by)
    if signal not in BY_NAME:
        raise ValueError(_("%s is not a signal of this version.") % signal)
    wanted = _checked(rows)
    bins = locked.bins.filter(signal=signal)
    _ask_unchanged(read, mark_of_bins(bins))
    before = [_described(b) for b in bins.order_by("pk")]
    bins.delete()
    lower: Decimal | None = None
    made = []
    for row in wanted:
        made.append(
            ScorecardBin(
                card=locked,
                signal=signal,
                is_missing=row.is_missing,
                lower=None if row.is_missing else lower,
                upper=row.upper,
                points=row.points,
                rationale=row.rationale.strip(),
            )
        )
        lower = row.upper if not row.is_missing else lower
    ScorecardBin.objects.bulk_create(made)
    after = [_described(b) for b in made]
    if before != after:
        change = Change(
            ScorecardBin._meta.label_lower, f"{locked.pk}:{signal}", {"bins": before}, {"bins": after}
        )
        changes = [change]
        if [_scores(b) for b in before] != [_scores(b) for b in after]:
            begin_anew(locked, as_of)
            was, now = _uncalibrated(locked, {}, {})
            if now:
                for name, value in now.items():
                    setattr(locked, name, value)
                locked.save(update_fields=[*now])
                changes.append(Change.of(locked, _plain(was), _plain(now)))
        LIFE.edited(locked, changes, by=by, as_of=as_of)


def _uncalibrated(
    card: Scorecard, before: dict[str, Any], values: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """What changes besides when a probability is moved by hand: outcomes no longer stand behind it."""
    if card.calibration == UNCALIBRATED:
        return before, values
    none: dict[str, Any] = dict.fromkeys(STATE_FIELDS) | {"calibration": UNCALIBRATED}
    return before | {name: getattr(card, name) for name in none}, values | none


def _checked(rows: Sequence[Row]) -> list[Row]:
    """The missing line first, then the others by bound."""
    if not rows:
        return []
    missing = [row for row in rows if row.is_missing]
    ranged = [row for row in rows if not row.is_missing]
    if len(missing) != 1:
        raise ValueError(_("One line must give the points of a missing value."))
    if any(not row.rationale.strip() for row in rows):
        raise ValueError(_("Each line needs a rationale: why these points?"))
    if sum(row.upper is None for row in ranged) != 1:
        raise ValueError(_("Exactly one line must have no upper bound: the last one."))
    ordered = sorted(ranged, key=lambda row: (row.upper is None, row.upper or Decimal(0)))
    bounds = [row.upper for row in ordered if row.upper is not None]
    if len(set(bounds)) != len(bounds):
        raise ValueError(_("Two lines have the same upper bound."))
    return [*missing, *ordered]


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    return {name: str(v) if isinstance(v, Decimal | date) else v for name, v in values.items()}


def _scores(described: dict[str, Any]) -> dict[str, Any]:
    """A line without its text."""
    return {name: value for name, value in described.items() if name != "rationale"}


def _described(b: ScorecardBin) -> dict[str, Any]:
    return {
        "missing": b.is_missing,
        "upper": None if b.upper is None else str(b.upper.normalize()),
        "points": b.points,
        "rationale": b.rationale,
    }
