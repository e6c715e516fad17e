"""What a policy says, line by line, and how two versions differ. No HTTP here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from scoring.models import SegmentVersion
from scoring.segment_policies import SegmentPolicies, label_of

Section = tuple[str, list[tuple[str, str]]]


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting in two versions; "" where a version does not have the line at all."""

    label: str
    then: str
    now: str

    @property
    def differs(self) -> bool:
        return self.then != self.now


def sections(life: SegmentPolicies[Any], policy: SegmentVersion) -> list[Section]:
    """(title, [(what, value)]) of everything a policy says; "—" where it does not ask."""
    found: list[Section] = [
        (str(title), [(label_of(policy, name), life.value_of(policy, name)) for name in names])
        for title, names in life.sections
    ]
    for relation in life.rows:
        for row in getattr(policy, relation).all():
            found.append((str(life.row_title(relation, row)), life.row_lines(relation, row)))
    return found


def compared(
    life: SegmentPolicies[Any], then: SegmentVersion, now: SegmentVersion
) -> list[tuple[str, list[Setting]]]:
    """Every setting of two versions side by side, in the order of the newer one."""
    old, new = _by_title(sections(life, then)), _by_title(sections(life, now))
    return [
        (
            title,
            [
                Setting(label, old.get(title, {}).get(label, ""), new.get(title, {}).get(label, ""))
                for label in {**new.get(title, {}), **old.get(title, {})}
            ],
        )
        for title in {**new, **old}
    ]


def differences(found: Sequence[tuple[str, list[Setting]]]) -> list[tuple[str, list[Setting]]]:
    """Only what differs."""
    kept = [(title, [one for one in settings if one.differs]) for title, settings in found]
    return [(title, settings) for title, settings in kept if settings]


def _by_title(found: Sequence[Section]) -> dict[str, dict[str, str]]:
    return {title: dict(lines) for title, lines in found}
