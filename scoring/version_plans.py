"""A version published today that counts from a later day on, where the state itself says which one is in use.

Two persons agree now: the version is "planned", frozen and signed as one in use. On its first day it takes the place of
the one before (`begin`); whoever reads versions by date takes it from that day on even before `begin` has run. Until
then one person takes it back with a reason, and it is a draft again.
"""

from __future__ import annotations

from datetime import date
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from creditdesk.core.audit import Actor, Change, record_act
from creditdesk.core.models import User
from scoring.models import Scorecard
from scoring.versions import Life, Status


class PlannedLife(Life[Scorecard]):
    """The life of versions that have a `first_day`."""

    def has_begun(self, version: Scorecard, as_of: date) -> bool:
        """Whether a planned version counts somewhere already."""
        return version.first_day is not None and version.first_day <= as_of

    def on_publishing(self, version: Scorecard, first_day: date) -> dict[str, Any]:
        return {"first_day": first_day}

    def plan(
        self,
        locked: Scorecard,
        approver: User,
        as_of: date,
        begins: date,
        *,
        note: str,
        data: dict[str, Any],
        **signed: Any,
    ) -> Scorecard:
        """Publish a locked, checked version for a later day; one a day and place."""
        signed |= {"status": Status.PLANNED, "first_day": begins}
        try:
            with transaction.atomic():
                return self._move(locked, "published", approver, as_of, note=note, data=data, **signed)
        except IntegrityError as error:
            planned = self.model._default_manager.filter(kind=locked.kind, status=Status.PLANNED)
            if not planned.filter(first_day=begins).exists():
                raise
            raise self.error(
                "day_taken",
                _("Another card is planned for this day: withdraw it first, or choose another day."),
            ) from error

    @transaction.atomic
    def withdraw_planned(self, version: Scorecard, *, by: User, reason: str, as_of: date) -> Scorecard:
        """Take a planned version back before its day: it is a draft again. Who may propose or publish does it alone."""
        self.check_permission(by, self.propose_permission, self.publish_permission)
        locked = self.lock(version)
        if locked.status != Status.PLANNED or self.has_begun(locked, as_of):
            raise self.error("not_planned", _("This card is not planned for a later day any more."))
        self._ask_reason(reason, self.told.why_back)
        planned = locked.first_day
        return self._move(
            locked,
            "withdrawn",
            by,
            as_of,
            note=reason,
            data={"first_day": planned},
            status=Status.DRAFT,
            first_day=None,
            decided_by=None if by == locked.proposed_by else by,
            decision_reason=reason.strip(),
            override_reason="",
        )

    @transaction.atomic
    def begin(self, as_of: date, kind: str | None = None) -> list[Scorecard]:
        """Put the planned versions (of a kind) whose day has come into use, in the order of their days. Again it changes
        nothing."""
        waiting = self.model._default_manager.filter(status=Status.PLANNED, first_day__lte=as_of)
        if kind is not None:
            waiting = waiting.filter(kind=kind)
        begun = list(waiting.select_for_update(of=("self",)).order_by("first_day", "pk"))
        for version in begun:
            in_use = self.model._default_manager.filter(status=Status.ACTIVE, kind=version.kind)
            for old in in_use.select_for_update(of=("self",)):
                self._begun("scorecard.retired", old, as_of, status=Status.RETIRED)
            self._begun("scorecard.began", version, as_of, status=Status.ACTIVE, activated_at=timezone.now())
            self.end_beside(version, Actor.job("first day of a scorecard"), as_of)
        return begun

    def end_beside(self, version: Scorecard, actor: Actor, as_of: date) -> None:
        """A card that came into use runs beside none, nor does it again by itself once it is retired."""
        if version.beside_since is not None:
            self.mark_beside(version, None, actor, as_of)

    def mark_beside(self, locked: Scorecard, since: date | None, actor: Actor, as_of: date) -> Scorecard:
        """Have a locked card run beside the one in use from a day on, or (None) end it; on record."""
        before = {"beside_since": locked.beside_since and locked.beside_since.isoformat()}
        locked.beside_since = since
        locked.save(update_fields=["beside_since"])
        record_act(
            "scorecard.beside" if since else "scorecard.beside_ended",
            actor=actor,
            subject=locked,
            business_date=as_of,
            data=self.data_of(locked),
            changes=[Change.of(locked, before, {"beside_since": since and since.isoformat()})],
        )
        return locked

    def one_at_a_time(self) -> None:
        """Until commit nobody else comes past here: everybody waits for the same row, that of the oldest card."""
        self.model._default_manager.select_for_update(no_key=True).order_by("pk").values_list("pk").first()

    def _begun(self, act: str, version: Scorecard, as_of: date, **fields: Any) -> None:
        before = {"status": version.status}
        for name, value in fields.items():
            setattr(version, name, value)
        version.save(update_fields=list(fields))
        record_act(
            act,
            actor=Actor.job("first day of a scorecard"),
            subject=version,
            business_date=as_of,
            data=self.data_of(version) | {"first_day": version.first_day},
            changes=[Change.of(version, before, {"status": version.status})],
        )
