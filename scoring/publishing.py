"""From a draft scorecard to the one in use: propose, send back, publish; two persons, on evidence.

The life itself is that of every version (scoring/versions.py). What is a card's own: the gates (PublishingGate) ask for
a Gini and a population stability measured lately; publishing against them needs a reason of its own, which stays with
the card; and the whole book is scored anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from creditdesk.core.audit import Actor, Change, record_act
from creditdesk.core.jobs import plan_jobs
from creditdesk.core.models import User
from creditdesk.core.sentences import in_a_row, told
from creditdesk.core.wording import fixed
from customers.days import dates_there
from scoring.calibrated import STATE_FIELDS
from scoring.card import CardError, as_card, fingerprint, problems
from scoring.models import AccountScore, CardReport, PublishingGate, Scorecard, ScoreHistory
from scoring.ranges import account_ranges
from scoring.version_plans import PlannedLife
from scoring.versions import Lacking, Told, VersionError

SET_GATE = "scoring.add_publishinggate"
Kind = CardReport.Kind


class PublishingError(VersionError, CardError):
    """A card that cannot be proposed or published; the text says why and what to do.

    code: those of every version, gates, changed_meanwhile, day_taken and not_planned.
    """


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
    """The bars with the card's newest evidence no older than the gate allows at `as_of`. What was measured before the
    points of a draft were changed says nothing of the card as it is."""
    bar = gate_in_force()
    said = fingerprint(as_card(card, list(card.bins.all())), points_only=True)
    recent = [
        r
        for r in card.reports.all()
        if r.as_of <= as_of
        and (as_of - r.as_of).days <= bar.max_age_days
        and r.figures.get("said", said) == said
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
        sentence = _("%s: not measured lately. “Try it on the live book” measures it.") % label
    elif value is None:
        sentence = _("%(label)s: could not be measured. %(why)s") % {
            "label": label,
            "why": told(figures.get("refused")),
        }
    elif at_least:
        sentence = _("%(label)s %(value)s, at least %(asked)s is asked.") % {
            "label": label,
            "value": fixed(value, 4),
            "asked": fixed(asked, 3),
        }
    else:
        sentence = _("%(label)s %(value)s, at most %(asked)s is allowed.") % {
            "label": label,
            "value": fixed(value, 4),
            "asked": fixed(asked, 3),
        }
    passed = value is not None and (value >= asked if at_least else value <= asked)
    return Gate(code, label, value, asked, report, passed, sentence)


class CardLife(PlannedLife):
    model = Scorecard
    act = "scorecard"
    error = PublishingError
    place = ("kind",)
    numbered_by = ("code",)
    extra_copied = ("code", "name", "learned_until", "taught", *STATE_FIELDS)
    terms = (
        *("base_points", "grade_a_from", "grade_b_from", "grade_c_from", "grade_d_from", "review_from"),
        *("review_to", "guarantees_below", "thin_below", "thin_recent_below", "evidence_from"),
        *("anchor_score", "odds_at_anchor", "points_to_double"),
    )
    rows = MappingProxyType({"bins": ("signal", "is_missing", "lower", "upper", "points", "rationale")})
    told = Told(
        why_propose=gettext_lazy("Say why this card should replace the one in use."),
        why_publish=gettext_lazy("Say why the card may be used."),
        why_back=gettext_lazy("Say why the card goes back."),
        not_waiting=gettext_lazy("This card does not wait for anybody any more."),
        own_proposal=gettext_lazy("Who made or proposed a card cannot publish it: a second person does."),
        edited_it=gettext_lazy("You worked on this card: somebody who did not publishes it."),
    )

    def data_of(self, version: Scorecard) -> dict[str, Any]:
        return {"code": version.code, "version": version.version}

    def check_complete(self, version: Scorecard) -> None:
        """Raises CardError with everything that is wrong with the card itself."""
        wrong = problems(as_card(version, list(version.bins.all())))
        if wrong:
            raise CardError(in_a_row(wrong))

    def has_begun(self, version: Scorecard, as_of: date) -> bool:
        """A company whose day began before ours may have been scored with it, or scores it the next moment."""
        if super().has_begun(version, dates_there(as_of, timezone.now())[-1][0]):
            return True
        return any(
            rows.filter(card=version).exists() for rows in (AccountScore.objects, ScoreHistory.objects)
        )

    @transaction.atomic
    def publish(self, version: Scorecard, **given: Any) -> Scorecard:
        """As of every version; one planned for a day that has come is put into use first, in order.

        Where it is still the day before for a company, the card in use stays its own; only one whose place is taken at
        once need not wait."""
        as_of, first_day = given["as_of"], given.get("first_day")
        self.begin(dates_there(as_of, timezone.now())[0][0])
        if first_day in (None, as_of):
            self.begin(as_of, version.kind)
        return super().publish(version, **given)

    def missing_evidence(self, version: Scorecard, as_of: date) -> Lacking | None:
        missed = [gate for gate in gates(version, as_of) if not gate.passed]
        if not missed:
            return None
        return Lacking(
            "gates",
            " ".join(gate.sentence for gate in missed),
            may_override=True,
            names=tuple(gate.code for gate in missed),
        )

    def evidence_of(self, version: Scorecard, as_of: date, lacking: Lacking | None) -> dict[str, Any]:
        return {"gates_missed": list(lacking.names) if lacking else []}

    def after_publishing(self, version: Scorecard, as_of: date) -> None:
        if version.decided_by is not None:
            self.end_beside(version, Actor.person(version.decided_by), as_of)
        keys = [f"{low}-{high}" for low, high in account_ranges()]
        plan_jobs(f"score-card-{version.pk}", keys, as_of, "scoring.tasks.score_range", cluster="bulk")


LIFE = CardLife()
begin_planned, withdraw_planned = LIFE.begin, LIFE.withdraw_planned
PROPOSE, PUBLISH = LIFE.propose_permission, LIFE.publish_permission
propose_card, send_back_card, publish_card = LIFE.propose, LIFE.send_back, LIFE.publish
check_may_publish, check_permission = LIFE.check_may_publish, LIFE.check_permission


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
