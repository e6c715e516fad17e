"""What the policies of a segment share: limits, credit checks, payment terms. Their life is scoring/versions.py.

A policy is published only with a simulation of exactly what it says (a fingerprint), not older than SIMULATED_WITHIN.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, TypeVar

from django.core.serializers.json import DjangoJSONEncoder
from django.db import transaction
from django.db.models import QuerySet, prefetch_related_objects
from django.utils import timezone
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from creditdesk.core.audit import Actor, Change
from creditdesk.core.models import User
from creditdesk.core.money import Money
from customers.models import CreditAccount
from scoring.models import IN_ORDER, WAS_IN_USE, SegmentVersion, VersionReport
from scoring.versions import Lacking, Life, Told, VersionError, plain

SIMULATED_WITHIN = timedelta(days=7)
AT_ONCE = 3000
"""Accounts up to which a person waits for a simulation."""
LAST = 2**62
"""Above every id."""
P = TypeVar("P", bound=SegmentVersion)
Rows = Mapping[str, Iterable[Mapping[str, Any]]]


class PolicyError(VersionError):
    """A policy that cannot be edited, proposed or published. code: those of every version, not_simulated, no_grade."""


class SegmentPolicies(Life[P]):
    """One kind of policy. Rows are replaced as a whole: {name of the relation: [{column: value}]}."""

    error = PolicyError
    place = ("segment",)
    told = Told(
        why_propose=gettext_lazy("Say why this policy should replace the one in use."),
        why_publish=gettext_lazy("Say why the policy may be used."),
        why_back=gettext_lazy("Say why the policy goes back."),
        not_waiting=gettext_lazy("This policy does not wait for anybody any more."),
        own_proposal=gettext_lazy("Who made or proposed a policy cannot publish it: a second person does."),
        edited_it=gettext_lazy("You worked on this policy: somebody who did not publishes it."),
    )

    sections: tuple[tuple[Any, tuple[str, ...]], ...]
    """What a policy says besides its rows, as it is read: title, and the terms below it."""
    row_keys: frozenset[str] = frozenset()
    """Columns that only name a row."""

    def row_name(self, relation: str, row: Any) -> str:
        """What a row is called in what a policy says."""
        raise NotImplementedError

    def row_title(self, relation: str, row: Any) -> Any:
        """What a row is called for people."""
        raise NotImplementedError

    def row_lines(self, relation: str, row: Any) -> list[tuple[str, str]]:
        """(what, value) of a row for people."""
        names = [name for name in self.rows[relation] if name not in self.row_keys]
        return [(label_of(row, name), self.value_of(row, name)) for name in names]

    def value_of(self, row: Any, name: str) -> str:
        """A value for people; "—" where it is not asked."""
        value = getattr(row, name)
        if value is None or value == "" or self.is_unasked(row, name, value):
            return "—"
        if isinstance(value, bool):
            return _("yes") if value else _("no")
        if isinstance(value, Money):
            return str(value)
        shown = getattr(row, f"get_{name}_display", None)
        return str(shown() if shown else value)

    def is_unasked(self, row: Any, name: str, value: Any) -> bool:
        """A value that means: not asked."""
        return False

    def is_quick(self, policy: P, as_of: date) -> bool:
        """A person may wait for the simulation; otherwise it goes on in the background (scoring/simulations.py)."""
        return not accounts_decided_by(policy, as_of)[AT_ONCE : AT_ONCE + 1].exists()

    def simulate_range(self, policy: P, as_of: date, low: int, high: int) -> dict[str, Any]:
        """What the policy would do to the live accounts with ids from `low` to `high`, as JSON that adds up."""
        raise NotImplementedError

    def simulate(self, policy: P, as_of: date) -> dict[str, Any]:
        """What the policy would do to the whole book."""
        return self.simulate_range(policy, as_of, 0, LAST)

    def data_of(self, version: P) -> dict[str, Any]:
        return {"version": version.version, "segment": version.segment_id}  # type: ignore[attr-defined]

    def fresh(self, as_of: date) -> dict[str, Any]:
        return {"valid_from": as_of}

    def on_publishing(self, version: P, first_day: date) -> dict[str, Any]:
        return {"valid_from": first_day}

    def missing_evidence(self, version: P, as_of: date) -> Lacking | None:
        if self.simulation_of(version, as_of) is not None:
            return None
        return Lacking(
            "not_simulated",
            _("Simulate the policy on the whole book first: the last %(days)s days count, as it reads now.")
            % {"days": SIMULATED_WITHIN.days},
        )

    def evidence_of(self, version: P, as_of: date, lacking: Lacking | None) -> dict[str, Any]:
        found = self.simulation_of(version, as_of)
        return {"simulation": found and found.pk}

    def said(self, policy: P) -> dict[str, Any]:
        """What a policy says, flat and plain."""
        said = {name: plain(getattr(policy, name)) for name in self.terms}
        for relation, columns in self.rows.items():
            for row in getattr(policy, relation).all():
                name = self.row_name(relation, row)
                said |= {f"{name}.{column}": plain(getattr(row, column)) for column in columns}
        return said

    def fingerprint(self, policy: P) -> str:
        """A hash of what a version says, whatever it is called: the same terms, the same fingerprint."""
        said = json.dumps(self.said(policy), sort_keys=True, cls=DjangoJSONEncoder)
        return hashlib.sha256(said.encode()).hexdigest()

    @transaction.atomic
    def change(
        self,
        policy: P,
        *,
        by: User,
        as_of: date,
        terms: Mapping[str, Any] | None = None,
        rows: Rows | None = None,
        read: str | None = None,
    ) -> P:
        """Set terms of a draft; rows, where given, replace those there are.

        read: the fingerprint of what the person read; refused where it is not what the draft says now.
        Raises PolicyError, and ValidationError for values out of bounds.
        """
        locked = self.editable(policy, by)
        if read is not None and read != self.fingerprint(locked):
            raise PolicyError(
                "changed_meanwhile",
                _(
                    "Somebody changed this since you opened the page. Save again to put your values in place of theirs, or "
                    "go back to read theirs first."
                ),
            )
        unknown = set(terms or {}) - set(self.terms)
        if unknown:
            raise ValueError(f"not a term of a {self.model._meta.verbose_name}: {sorted(unknown)}")
        before = self.said(locked)
        for name, value in (terms or {}).items():
            setattr(locked, name, value)
        locked.full_clean(exclude=["version"])
        locked.save()
        for relation, given in (rows or {}).items():
            child, key = self._child(relation)
            getattr(locked, relation).all().delete()
            for values in given:
                row = child(**{key: locked}, **values)
                row.full_clean(exclude=[key])
                row.save()
        locked = self.model._default_manager.get(pk=locked.pk)
        after = self.said(locked)
        changed = sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
        if changed:
            change = Change.of(
                locked,
                {name: before.get(name) for name in changed},
                {name: after.get(name) for name in changed},
            )
            self.edited(locked, [change], by=by, as_of=as_of)
        return locked

    def simulation_of(self, policy: P, as_of: date | None = None) -> VersionReport | None:
        """The newest simulation of exactly what the policy says; with `as_of`, recent enough to publish on."""
        said = self.fingerprint(policy)
        rows = [report for report in policy.reports.all() if report.fingerprint == said]  # type: ignore[attr-defined]
        if as_of is not None:
            rows = [report for report in rows if as_of - SIMULATED_WITHIN <= report.as_of <= as_of]
        return max(rows, key=lambda report: report.pk, default=None)

    @transaction.atomic
    def keep_simulation(self, policy: P, as_of: date, *, actor: Actor) -> VersionReport:
        """Simulate and keep the report with the fingerprint of what the policy says."""
        # Nobody edits the draft meanwhile: the figures are of what the fingerprint is of.
        locked = self.lock(policy)
        return self.keep_report(locked, as_of, self.simulate(locked, as_of), actor=actor)

    def keep_report(self, policy: P, as_of: date, figures: dict[str, Any], *, actor: Actor) -> VersionReport:
        """Keep figures of what a locked policy says. Within a transaction."""
        said = self.fingerprint(policy)
        report = policy.reports.create(  # type: ignore[attr-defined]
            as_of=as_of, fingerprint=said, figures=figures, made_by=actor.name[:80]
        )
        self.record("simulated", policy, actor, as_of, data={"report": report.pk, "fingerprint": said})
        return report


def label_of(row: Any, name: str) -> str:
    return capfirst(str(row._meta.get_field(name).verbose_name))


def accounts_decided_by(policy: SegmentVersion, as_of: date) -> QuerySet[CreditAccount]:
    """The accounts a version would decide on: those of its segment, or of every segment without one of its own."""
    rows = CreditAccount.objects.filter(joined_into__isnull=True).order_by("pk")
    segment: int | None = policy.segment_id  # type: ignore[attr-defined]
    if segment is not None:
        return rows.filter(segment=segment)
    return rows.exclude(segment__in=[pk for pk in in_force(type(policy), as_of) if pk is not None])


def replaced_by(policy: P, as_of: date) -> P | None:
    """What a version stands beside: what is in force for its segment on a day, its own or the one for every segment.

    For a version that was in use itself, the one it took the place of. None: there is none.
    """
    model = type(policy)
    if policy.status in WAS_IN_USE:
        earlier = were_in_use(model, policy.valid_from).filter(segment=policy.segment_id).order_by(*IN_ORDER)  # type: ignore[attr-defined]
        before: P | None = None
        for row in earlier:
            if row.pk == policy.pk:
                return before
            before = row
        return None
    found = in_force(model, as_of)
    return found.get(policy.segment_id) or found[None]  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True)
class Stage:
    """Where a published version stands on a day when its status alone would mislead.

    planned: it will count from `day` on; until: it still counts up to `day`, though another one was published for later;
    never: another one was published for a day before its first one, or for the same day before that day came.
    """

    code: str
    day: date


def stages(rows: Iterable[P], as_of: date) -> dict[int, Stage]:
    """{id: stage} of published versions on a day. rows: of one kind, at least all those of the same segments."""
    used = sorted((row for row in rows if row.status in WAS_IN_USE), key=_published)
    found: dict[int, Stage] = {}
    for place, row in enumerate(used):
        after = [other for other in used[place + 1 :] if _segment(other) == _segment(row)]
        begins = [other.valid_from for other in after]
        if begins and min(begins) <= max(as_of, row.valid_from):
            if any(_forestalls(other, row, as_of) for other in after):
                found[row.pk] = Stage("never", row.valid_from)
        elif row.valid_from > as_of:
            found[row.pk] = Stage("planned", row.valid_from)
        elif begins:
            found[row.pk] = Stage("until", min(begins) - timedelta(days=1))
    return found


def _forestalls(other: SegmentVersion, row: SegmentVersion, as_of: date) -> bool:
    """Published after `row`, another one lets it never begin; replaced within its first day, it was in force till then."""
    if other.valid_from != row.valid_from:
        return other.valid_from < row.valid_from
    published = other.activated_at and timezone.localdate(other.activated_at)
    return as_of < row.valid_from or (published is not None and published < row.valid_from)


def _published(row: SegmentVersion) -> tuple[Any, ...]:
    """The order of IN_ORDER."""
    return (row.activated_at.timestamp() if row.activated_at else 0.0, row.valid_from, row.version)


def _segment(row: SegmentVersion) -> int | None:
    return row.segment_id  # type: ignore[attr-defined,no-any-return]


def in_force(model: type[P], as_of: date, *related: str) -> dict[int | None, P]:
    """The version in force per segment on a day; under None the one for every other segment.

    One query, and one for each of `related`. LookupError: none is, not even the one for every segment.
    """
    latest: dict[int | None, P] = {}
    for row in were_in_use(model, as_of).order_by(*IN_ORDER):
        latest[row.segment_id] = row  # type: ignore[attr-defined]
    prefetch_related_objects(list(latest.values()), *related)
    if None not in latest:
        name = model._meta.verbose_name
        raise LookupError(f"No {name} is in force: run `manage.py migrate`, which installs the shipped one")
    return latest


def were_in_use(model: type[P], as_of: date) -> QuerySet[P]:
    """The versions that were put into use by a day."""
    return model._default_manager.filter(valid_from__lte=as_of, status__in=WAS_IN_USE)
