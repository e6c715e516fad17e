"""The life of a version of whatever decides about credit: scorecards, limit, check and terms policies.

    copy -> change -> measure -> propose -> publish (a second person) -> retire, or sent back to a draft

Whoever made, edited or proposed a version cannot publish it (CHECKs and triggers hold it, too). What it stands on is
measured first: `missing_evidence` of each kind says what is lacking, and whether a reason of its own may stand in. One
verb, one transaction, one audit entry with the change of state; the version it replaces is retired in the same one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from types import MappingProxyType
from typing import Any, Generic, TypeVar

from django.db import IntegrityError, transaction
from django.db.models import Max, Model
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _

from creditdesk.core.audit import Actor, Change, record_act
from creditdesk.core.models import User
from creditdesk.core.money import Money
from scoring.models import Version

V = TypeVar("V", bound=Version)
Status = Version.Status
PLANNED_WITHIN = timedelta(days=366)

# What is recorded of each kind, after its `act` and a dot.
VERBS = (
    *("copied", "edited", "draft_deleted", "simulated"),
    *("proposed", "withdrawn", "sent_back", "published", "retired"),
)


class VersionError(ValueError):
    """A version that cannot be edited, proposed or published; the text says why and what to do.

    code: not_allowed, own_proposal, edited_it, not_draft, not_proposed, moved, no_reason, first_day, and what each kind
    adds.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def mark_again(read: str | None, now: str, problem: Exception | None) -> str:
    """The mark a page refused for `problem` hands out again: what the person read, until a change since has been told."""
    return now if read is None or getattr(problem, "code", "") == "changed_meanwhile" else read


@dataclass(frozen=True, slots=True)
class Told:
    """The sentences of a kind."""

    why_propose: str | Promise
    why_publish: str | Promise
    why_back: str | Promise
    not_waiting: str | Promise
    own_proposal: str | Promise
    edited_it: str | Promise


@dataclass(frozen=True, slots=True)
class Lacking:
    """What a version lacks before it may be published. may_override: a reason of its own may stand in."""

    code: str
    message: str
    may_override: bool = False
    names: tuple[str, ...] = ()


class Life(Generic[V]):
    """One kind of version. Subclasses say what it is made of and what publishing it takes and sets off."""

    model: type[V]
    act: str
    told: Told
    error: type[VersionError] = VersionError
    place: tuple[str, ...]
    """Fields whose values say what a version is for: of each place one version is in use."""
    numbered_by: tuple[str, ...] = ()
    """Fields within which versions are numbered; empty: the place."""
    terms: tuple[str, ...]
    """What a draft may be changed in, besides its rows."""
    rows: Mapping[str, tuple[str, ...]] = MappingProxyType({})
    """Related rows that are part of what a version says: {name: columns}."""
    extra_copied: tuple[str, ...] = ()
    # What each kind says for itself.

    def data_of(self, version: V) -> dict[str, Any]:
        """What names a version in the audit trail."""
        return {"version": version.version}

    def check_complete(self, version: V) -> None:
        """Raises when a draft cannot be proposed as it is."""

    def missing_evidence(self, version: V, as_of: date) -> Lacking | None:
        """What publishing still lacks at a date."""
        return None

    def evidence_of(self, version: V, as_of: date, lacking: Lacking | None) -> dict[str, Any]:
        """What a version is published on, and what it lacked, for the audit trail."""
        return {}

    def on_publishing(self, version: V, first_day: date) -> dict[str, Any]:
        """Further fields that publishing sets. first_day: the day from which the version counts."""
        return {}

    def plan(
        self,
        locked: V,
        approver: User,
        as_of: date,
        begins: date,
        *,
        note: str,
        data: dict[str, Any],
        **signed: Any,
    ) -> V | None:
        """Publish for a later day without touching the one in use. None: a kind of which the rows in force are told by
        their days is put into use at once."""
        return None

    def after_publishing(self, version: V, as_of: date) -> None:
        """What publishing sets off, in the same transaction."""

    # The verbs.

    @property
    def propose_permission(self) -> str:
        return f"scoring.propose_{self.model._meta.model_name}"

    @property
    def publish_permission(self) -> str:
        return f"scoring.publish_{self.model._meta.model_name}"

    def check_permission(self, user: User, *permissions: str) -> None:
        """Raises "not_allowed" unless the user is active and holds one of the permissions."""
        if not user.is_active or not any(user.has_perm(permission) for permission in permissions):
            raise self.error("not_allowed", _("Your role does not allow this."))

    @transaction.atomic
    def copy(self, version: V, *, by: User, as_of: date, **given: Any) -> V:
        """A draft that says what any version says, as the next version of its place (or of the place `given`)."""
        self.check_permission(by, self.propose_permission)
        return self._copied(version, by, Actor.person(by), as_of, given)

    @transaction.atomic
    def copy_by_job(self, version: V, *, actor: Actor, as_of: date) -> V:
        """The same by a command or a job: whoever proposes the draft still needs a second person."""
        return self._copied(version, None, actor, as_of, {})

    def _copied(self, version: V, by: User | None, actor: Actor, as_of: date, given: dict[str, Any]) -> V:
        copied = {
            name: getattr(version, name) for name in (*self.place, *self.terms, *self.extra_copied)
        } | given
        draft = self._next(based_on=version, created_by=by, **copied, **self.fresh(as_of))
        for name, columns in self.rows.items():
            child, key = self._child(name)
            child._default_manager.bulk_create(
                child(**{key: draft}, **{column: plain(getattr(row, column)) for column in columns})
                for row in getattr(version, name).all()
            )
        self.record("copied", draft, actor, as_of, data={"from": version.pk})
        return draft

    def _next(self, **fields: Any) -> V:
        """A new row with the next number of its series; who copies at the same moment gets the one after."""
        series = {name: fields[name] for name in self.numbered_by or self.place}
        rows = self.model._default_manager.filter(**_where(series))
        while True:
            number = (rows.aggregate(v=Max("version"))["v"] or 0) + 1
            try:
                with transaction.atomic():
                    return self.model._default_manager.create(version=number, **fields)
            except IntegrityError:
                if not rows.filter(version=number).exists():
                    raise

    def first_draft(self, **fields: Any) -> V:
        """A draft that copies no version, as the next of its series."""
        return self._next(**fields)

    def fresh(self, as_of: date) -> dict[str, Any]:
        """Fields of a new draft that come from no other version."""
        return {}

    @transaction.atomic
    def delete_draft(self, version: V, *, by: User, as_of: date) -> None:
        """Throw a draft away with its evidence; the audit trail keeps that it existed."""
        locked = self.editable(version, by)
        self.record("draft_deleted", locked, Actor.person(by), as_of)
        locked.delete()

    def editable(self, version: V, by: User) -> V:
        """The draft, locked; from now on `by` is one of those who cannot publish it. Within a transaction."""
        self.check_permission(by, self.propose_permission)
        locked = self.lock(version)
        if locked.status != Status.DRAFT:
            raise self.error("not_draft", _("Only a draft can be edited: make a copy of this version."))
        locked.editors.get_or_create(user=by)  # type: ignore[attr-defined]
        return locked

    def edited(self, version: V, changes: Sequence[Change], *, by: User, as_of: date) -> None:
        """Record what changed of a draft."""
        self.record("edited", version, Actor.person(by), as_of, changes=changes)

    @transaction.atomic
    def propose(self, version: V, *, by: User, reason: str, as_of: date) -> V:
        """Put a draft before a second person; from now on what it says is frozen (triggers)."""
        self.check_permission(by, self.propose_permission)
        self._ask_reason(reason, self.told.why_propose)
        locked = self.lock(version)
        if locked.status != Status.DRAFT:
            raise self.error("not_draft", _("Only a draft can be proposed."))
        self.check_complete(locked)
        return self._move(
            locked,
            "proposed",
            by,
            as_of,
            note=reason,
            status=Status.PROPOSED,
            proposed_by=by,
            proposed_at=timezone.now(),
            proposal_reason=reason.strip(),
            decided_by=None,
            decision_reason="",
        )

    @transaction.atomic
    def send_back(self, version: V, *, by: User, reason: str, as_of: date, proposal: str | None = None) -> V:
        """Make a proposed version a draft again: its proposer withdraws it, or a second person sends it back.

        proposal: `Version.proposal` of what was read; refused where it was proposed anew since.
        """
        locked = self.lock(version)
        withdrawn = by == locked.proposed_by
        if not withdrawn:
            self.check_permission(by, self.publish_permission)
        self._ask_waiting(locked)
        self._ask_read(locked, proposal)
        self._ask_reason(reason, self.told.why_back)
        decided: dict[str, Any] = {} if withdrawn else {"decided_by": by}
        return self._move(
            locked,
            "withdrawn" if withdrawn else "sent_back",
            by,
            as_of,
            note=reason,
            status=Status.DRAFT,
            decision_reason=reason.strip(),
            **decided,
        )

    def check_may_publish(self, version: V, user: User) -> None:
        """Raises unless the user may publish this version: the permission, and a second pair of eyes."""
        self.check_permission(user, self.publish_permission)
        if user in (version.proposed_by, version.created_by):
            raise self.error("own_proposal", str(self.told.own_proposal))
        if version.editors.filter(user=user).exists():  # type: ignore[attr-defined]
            raise self.error("edited_it", str(self.told.edited_it))

    @transaction.atomic
    def publish(
        self,
        version: V,
        *,
        approver: User,
        reason: str,
        as_of: date,
        override_reason: str = "",
        proposal: str | None = None,
        first_day: date | None = None,
    ) -> V:
        """Put a proposed version into use in place of the one of its place, from today or a later `first_day` on.

        Until that day the one in force stays; of two published versions the one published last counts from its day on.
        proposal: `Version.proposal` of what the approver read; refused where it was sent back and proposed again since.
        Without the evidence it takes it is refused, unless the kind lets `override_reason` say why it is right all the
        same; that reason then stays with the version.
        """
        locked = self.lock(version)
        self._ask_waiting(locked)
        self.check_may_publish(locked, approver)
        self._ask_read(locked, proposal)
        self._ask_reason(reason, self.told.why_publish)
        begins = self._first_day(first_day, as_of)
        lacking = self.missing_evidence(locked, as_of)
        against = override_reason.strip() if lacking is not None and lacking.may_override else ""
        if lacking is not None and not against:
            raise self.error(lacking.code, lacking.message)
        signed: dict[str, Any] = {
            "decided_by": approver,
            "decision_reason": reason.strip(),
            **({"override_reason": against} if against else {}),
        }
        data = self.evidence_of(locked, as_of, lacking)
        if begins != as_of:
            data |= {"first_day": begins}
            note = against or reason
            if planned := self.plan(locked, approver, as_of, begins, note=note, data=data, **signed):
                return planned
        place = _where({name: getattr(locked, name) for name in self.place})
        in_use = self.model._default_manager.filter(status=Status.ACTIVE, **place)
        for old in in_use.select_for_update(of=("self",)):
            self._move(old, "retired", approver, as_of, status=Status.RETIRED)
        signed |= self.on_publishing(locked, begins)
        try:
            with transaction.atomic():
                published = self._move(
                    locked,
                    "published",
                    approver,
                    as_of,
                    note=against or reason,
                    data=data,
                    status=Status.ACTIVE,
                    activated_at=timezone.now(),
                    **signed,
                )
        except IntegrityError as error:
            # Another version of the place was published while the one in use was waited for.
            if not in_use.exists():
                raise
            raise self._moved() from error
        self.after_publishing(published, as_of)
        return published

    def lock(self, version: V) -> V:
        return self.model._default_manager.select_for_update(of=("self",)).get(pk=version.pk)

    def _ask_reason(self, reason: str, sentence: str | Promise) -> None:
        if not reason.strip():
            raise self.error("no_reason", str(sentence))

    def _ask_waiting(self, version: V) -> None:
        if version.status != Status.PROPOSED:
            raise self.error("not_proposed", str(self.told.not_waiting))

    def _ask_read(self, version: V, proposal: str | None) -> None:
        if proposal is not None and proposal != version.proposal:
            raise self._moved()

    def _first_day(self, first_day: date | None, as_of: date) -> date:
        if first_day is None or first_day == as_of:
            return as_of
        if first_day < as_of:
            raise self.error(
                "first_day",
                _("The first day has passed: a version never counts for days before its publishing."),
            )
        if first_day > as_of + PLANNED_WITHIN:
            raise self.error(
                "first_day",
                _("A version is planned at most %(days)s days ahead.") % {"days": PLANNED_WITHIN.days},
            )
        return first_day

    def _moved(self) -> VersionError:
        return self.error("moved", _("Somebody was faster: read the page as it is now, then decide."))

    def _child(self, name: str) -> tuple[type[Model], str]:
        relation: Any = self.model._meta.get_field(name)
        return relation.related_model, relation.field.name

    def _move(
        self,
        version: V,
        verb: str,
        by: User,
        as_of: date,
        *,
        note: str = "",
        data: dict[str, Any] | None = None,
        **fields: Any,
    ) -> V:
        before = {"status": version.status}
        for name, value in fields.items():
            setattr(version, name, value)
        version.save(update_fields=list(fields))
        change = Change.of(version, before, {"status": version.status})
        self.record(verb, version, Actor.person(by), as_of, note=note, data=data, changes=[change])
        return version

    def record(
        self,
        verb: str,
        version: V,
        actor: Actor,
        as_of: date,
        *,
        note: str = "",
        data: dict[str, Any] | None = None,
        changes: Sequence[Change] = (),
    ) -> None:
        """The audit entry of one verb of this kind."""
        if verb not in VERBS:
            raise ValueError(f"not a verb of a version: {verb}")
        record_act(
            f"{self.act}.{verb}",
            actor=actor,
            subject=version,
            business_date=as_of,
            note=note,
            data=self.data_of(version) | (data or {}),
            changes=changes,
        )


def plain(value: Any) -> Any:
    """Money as its minor units, for columns and JSON."""
    return value.minor if isinstance(value, Money) else value


def _where(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        f"{name}__isnull" if value is None else name: value is None or value for name, value in values.items()
    }
