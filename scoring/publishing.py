"""From a draft scorecard to the one in use: propose, send back, publish; two persons, on evidence.

Whoever proposes a card, made it or edited it cannot publish it (the proposer by a CHECK, the editors here). The
gates (PublishingGate) ask for a Gini and a population stability measured lately; publishing against them needs a
reason of its own, which stays with the card. One verb, one function, one transaction.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from creditdesk.core.audit import Actor, Change, record_act
from creditdesk.core.jobs import plan_jobs
from creditdesk.core.models import User
from scoring.card import CardError, as_card, problems
from scoring.models import CardReport, PublishingGate, Scorecard
from scoring.ranges import account_ranges

PROPOSE = "scoring.propose_scorecard"
PUBLISH = "scoring.publish_scorecard"
SET_GATE = "scoring.add_publishinggate"
Kind = CardReport.Kind


class PublishingError(CardError):
    """A card that cannot be proposed or published; the text says why and what to do.

    code: not_allowed, own_proposal, edited_it, not_draft, not_proposed, no_reason, wrong_card, gates.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Gate:
    """One bar: what was measured against what is asked. `value` None: never measured, or too long ago."""

    code: str
    label: str
    value: Decimal | None
    asked: Decimal
    report: CardReport | None
    passed: bool
    sentence: str


def gate_in_force() -> PublishingGate:
    """The bar in force; the shipped values where nobody set one."""
    return PublishingGate.objects.first() or PublishingGate(
        min_gini=Decimal("0.300"), max_psi=Decimal("0.250"), max_age_days=100
    )


def gates(card: Scorecard, as_of: date) -> list[Gate]:
    """The bars with the card's newest evidence no older than the gate allows at `as_of`."""
    bar = gate_in_force()
    recent = [
        r for r in card.reports.all() if r.as_of <= as_of and (as_of - r.as_of).days <= bar.max_age_days
    ]
    tested = [r for r in recent if r.kind in (Kind.BACKTEST, Kind.FIT)]
    # A backtest that had nothing to test on does not push the fit's own cross-validation aside.
    discrimination = next((r for r in tested if r.figures.get("gini") is not None), next(iter(tested), None))
    stability = next((r for r in recent if r.kind == Kind.STABILITY), None)
    return [
        _gate("gini", _("Gini"), discrimination, bar.min_gini, at_least=True),
        _gate("psi", _("PSI"), stability, bar.max_psi, at_least=False),
    ]


def _gate(code: str, label: str, report: CardReport | None, asked: Any, *, at_least: bool) -> Gate:
    asked = Decimal(str(asked))
    figures = report.figures if report else {}
    value = None if figures.get(code) is None else Decimal(str(round(float(figures[code]), 4)))
    if report is None:
        sentence = _("%s: not measured lately. Run the backtest of this card first.") % label
    elif value is None:
        sentence = _("%(label)s: could not be measured. %(why)s") % {
            "label": label,
            "why": figures.get("refused", ""),
        }
    elif at_least:
        sentence = _("%(label)s %(value)s, at least %(asked)s is asked.") % {
            "label": label,
            "value": value,
            "asked": asked,
        }
    else:
        sentence = _("%(label)s %(value)s, at most %(asked)s is allowed.") % {
            "label": label,
            "value": value,
            "asked": asked,
        }
    passed = value is not None and (value >= asked if at_least else value <= asked)
    return Gate(code, label, value, asked, report, passed, sentence)


@transaction.atomic
def propose_card(card: Scorecard, *, by: User, reason: str, as_of: date) -> Scorecard:
    """Put a draft before a second person; from now on its numbers are frozen (triggers).

    Raises PublishingError, and CardError with everything that is wrong with the card itself.
    """
    check_permission(by, PROPOSE)
    if not reason.strip():
        raise PublishingError("no_reason", _("Say why this card should replace the one in use."))
    locked = _lock(card)
    if locked.status != Scorecard.Status.DRAFT:
        raise PublishingError("not_draft", _("Only a draft can be proposed."))
    wrong = problems(as_card(locked, list(locked.bins.all())))
    if wrong:
        raise CardError(" ".join(wrong))
    return _move(
        locked,
        "scorecard.proposed",
        Actor.person(by),
        as_of,
        note=reason,
        status=Scorecard.Status.PROPOSED,
        proposed_by=by,
        proposed_at=timezone.now(),
        proposal_reason=reason,
        decided_by=None,
        decision_reason="",
    )


@transaction.atomic
def send_back_card(card: Scorecard, *, by: User, reason: str, as_of: date) -> Scorecard:
    """Make a proposed card a draft again: its proposer withdraws it, or a second person sends it back."""
    locked = _lock(card)
    if by != locked.proposed_by:
        check_permission(by, PUBLISH)
    if locked.status != Scorecard.Status.PROPOSED:
        raise PublishingError("not_proposed", _("This card does not wait for anybody any more."))
    if not reason.strip():
        raise PublishingError("no_reason", _("Say why the card goes back."))
    withdrawn = by == locked.proposed_by
    decided: dict[str, Any] = {} if withdrawn else {"decided_by": by}
    return _move(
        locked,
        "scorecard.withdrawn" if withdrawn else "scorecard.sent_back",
        Actor.person(by),
        as_of,
        note=reason,
        status=Scorecard.Status.DRAFT,
        decision_reason=reason,
        **decided,
    )


def check_may_publish(card: Scorecard, user: User) -> None:
    """Raises PublishingError unless the user may publish this card: the permission, and a second pair of eyes."""
    check_permission(user, PUBLISH)
    if user in (card.proposed_by, card.created_by):
        raise PublishingError(
            "own_proposal", _("Who made or proposed a card cannot publish it: a second person does.")
        )
    if card.editors.filter(user=user).exists():
        raise PublishingError("edited_it", _("You worked on this card: somebody who did not publishes it."))


@transaction.atomic
def publish_card(
    card: Scorecard, *, approver: User, reason: str, as_of: date, override_reason: str = ""
) -> Scorecard:
    """Put a proposed card into use in place of the one of its kind, and have the whole book scored anew.

    Below a gate it is refused (PublishingError "gates") unless `override_reason` says why it is right all the same.
    """
    locked = _lock(card)
    if locked.status != Scorecard.Status.PROPOSED:
        raise PublishingError("not_proposed", _("This card does not wait for anybody any more."))
    check_may_publish(locked, approver)
    if not reason.strip():
        raise PublishingError("no_reason", _("Say why the card may be used."))
    missed = [gate for gate in gates(locked, as_of) if not gate.passed]
    if missed and not override_reason.strip():
        raise PublishingError("gates", " ".join(gate.sentence for gate in missed))
    actor = Actor.person(approver)
    for old in Scorecard.objects.select_for_update().filter(status=Scorecard.Status.ACTIVE, kind=locked.kind):
        _move(old, "scorecard.retired", actor, as_of, status=Scorecard.Status.RETIRED)
    published = _move(
        locked,
        "scorecard.published",
        actor,
        as_of,
        note=override_reason or reason,
        data={"gates_missed": [gate.code for gate in missed]},
        status=Scorecard.Status.ACTIVE,
        activated_at=timezone.now(),
        decided_by=approver,
        decision_reason=reason,
        override_reason=override_reason if missed else "",
    )
    keys = [f"{low}-{high}" for low, high in account_ranges()]
    plan_jobs(f"score-card-{published.pk}", keys, as_of, "scoring.tasks.score_range", cluster="bulk")
    return published


@transaction.atomic
def set_gate(
    *, min_gini: Decimal, max_psi: Decimal, max_age_days: int, by: User, as_of: date
) -> PublishingGate:
    """Set the bar for every card published from now on; the earlier ones stay on record."""
    check_permission(by, SET_GATE)
    before = gate_in_force()
    made = PublishingGate.objects.create(
        min_gini=min_gini, max_psi=max_psi, max_age_days=max_age_days, set_by=by
    )
    names = ("min_gini", "max_psi", "max_age_days")
    record_act(
        "scorecard.gate_set",
        actor=Actor.person(by),
        subject=made,
        business_date=as_of,
        changes=[
            Change.of(
                made, {n: str(getattr(before, n)) for n in names}, {n: str(getattr(made, n)) for n in names}
            )
        ],
    )
    return made


def check_permission(user: User, permission: str) -> None:
    """Raises PublishingError "not_allowed" unless the user is active and holds the permission."""
    if not user.is_active or not user.has_perm(permission):
        raise PublishingError("not_allowed", _("Your role does not allow this."))


def _lock(card: Scorecard) -> Scorecard:
    return Scorecard.objects.select_for_update(of=("self",)).get(pk=card.pk)


def _move(
    card: Scorecard,
    act: str,
    actor: Actor,
    as_of: date,
    *,
    note: str = "",
    data: dict[str, Any] | None = None,
    **fields: Any,
) -> Scorecard:
    before = {"status": card.status}
    for name, value in fields.items():
        setattr(card, name, value)
    card.save(update_fields=list(fields))
    record_act(
        act,
        actor=actor,
        subject=card,
        business_date=as_of,
        note=note,
        data={"code": card.code, "version": card.version} | (data or {}),
        changes=[Change.of(card, before, {"status": card.status})],
    )
    return card
