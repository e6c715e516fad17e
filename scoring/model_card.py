"""The model card of a scorecard: what it is for, what it stands on, how well it does, who answers for it.

Everything is generated: the event and the rules from the code, signals and cut-offs from the card, figures from the
kept reports, people from its own row. Signing it off keeps the text as it was then; what changed since is told.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db import transaction
from django.utils.formats import number_format
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, override

from creditdesk.core.audit import Actor, record_act
from creditdesk.core.models import User
from creditdesk.core.sentences import told
from creditdesk.core.wording import day, fixed
from scoring.calibrated import LEVEL, UNCALIBRATED
from scoring.card import as_card, span_of
from scoring.fitting.materiality import Materiality
from scoring.fitting.outcomes import DAYS_PAST_DUE
from scoring.models import CardReport, Scorecard
from scoring.publishing import PUBLISH
from scoring.reports import store_report
from scoring.signals import FAMILIES, SIGNALS
from scoring.taught import points_lesson

Kind = CardReport.Kind


class SigningError(ValueError):
    """A model card that is not signed; the text says why. code: not_allowed, own, not_ready, no_words."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Section:
    """A heading with labelled statements; `code` names it in what is signed."""

    code: str
    title: str
    rows: tuple[tuple[str, str], ...]


def sections(card: Scorecard) -> list[Section]:
    """The model card in the reader's language. `card` with its bins, reports and people loaded: no query more."""
    return [
        Section("purpose", _("What it is for"), _purpose(card)),
        Section("event", _("What it foretells"), _event(card)),
        Section("inputs", _("What it looks at"), _inputs(card)),
        Section("numbers", _("How it decides"), _numbers(card)),
        Section("learned", _("What it was learned from"), _learned(card)),
        Section("tested", _("How well it does"), _tested(card)),
        Section("monitored", _("How it is watched"), _monitored(card)),
        Section("limits", _("What it cannot do"), _limits(card)),
        Section("people", _("Who answers for it"), _people(card)),
    ]


def digest(card: Scorecard) -> str:
    """A fingerprint of the English text: it changes whenever anything the card says does."""
    with override("en"):
        text = json.dumps([(s.code, s.rows) for s in sections(card)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def signatures(card: Scorecard) -> list[CardReport]:
    """Who signed it off, newest first, from the loaded reports."""
    return [report for report in card.reports.all() if report.kind == Kind.SIGNED]


def had_a_hand(card: Scorecard, user: User) -> bool:
    """Whether the user made, proposed or ever edited the card: somebody else vouches for it."""
    return (
        user.pk in {card.created_by_id, card.proposed_by_id} or card.editors.filter(user_id=user.pk).exists()
    )


@transaction.atomic
def sign(card: Scorecard, *, by: User, words: str, as_of: date) -> CardReport:
    """Sign the model card off as it stands; whoever made, edited or proposed the card does not. Raises SigningError."""
    if not by.is_active or not by.has_perm(PUBLISH):
        raise SigningError("not_allowed", _("Your role does not allow signing a model card."))
    if had_a_hand(card, by):
        raise SigningError(
            "own", _("You made, edited or proposed this card: somebody else signs its model card.")
        )
    if card.status == Scorecard.Status.DRAFT:
        raise SigningError("not_ready", _("A draft still changes: propose it first."))
    if not words.strip():
        raise SigningError("no_words", _("Say what you checked."))
    with override("en"):
        text = [{"code": s.code, "rows": [list(row) for row in s.rows]} for s in sections(card)]
    figures = {"digest": digest(card), "card": text, "words": words.strip(), "user": by.pk}
    made = store_report(card, Kind.SIGNED, as_of, figures, made_by=by.get_full_name() or by.get_username())
    record_act(
        "scorecard.model_card_signed",
        actor=Actor.person(by),
        subject=card,
        business_date=as_of,
        data={"digest": figures["digest"], "report": made.pk},
    )
    return made


def _purpose(card: Scorecard) -> tuple[tuple[str, str], ...]:
    thin = card.kind == Scorecard.Kind.THIN
    whom = (
        _("business customers with little payment history whose bank flows are known under their consent")
        if thin
        else _("business customers with open-account terms, companies and sole traders")
    )
    return (
        (_("Card"), f"{card.name}, {_('version')} {card.version} ({card.get_status_display()})"),
        (_("Use"), _("ranks customers by their risk, recommends a decision and feeds the limit policy")),
        (_("For"), whom),
        (
            _("Never for"),
            _("deciding alone against a natural person: a named person decides (GDPR art. 22)"),
        ),
    )


def _event(card: Scorecard) -> tuple[tuple[str, str], ...]:
    code, amount = next(iter(Materiality.from_settings().amounts.items()))
    event = _(
        "within 12 months an undisputed residue above %(amount)s passes %(days)s days past due, a debt is written off, "
        "or insolvency opens"
    ) % {"amount": f"{number_format(amount, 0)} {code}", "days": DAYS_PAST_DUE}
    return (
        (_("Event"), event),
        (
            _("Left out"),
            _("customers already in default on the day, and those whose ledger ends before a year"),
        ),
        (
            _("Probability"),
            card.calibration_sentence,
        ),
    )


def _inputs(card: Scorecard) -> tuple[tuple[str, str], ...]:
    used = {b.signal for b in card.bins.all()}
    by_family: dict[str, list[str]] = {}
    for signal in SIGNALS:
        if signal.name in used:
            by_family.setdefault(signal.family, []).append(str(signal.label))
    return tuple(
        (capfirst(str(FAMILIES[family])), "; ".join(by_family[family]))
        for family in FAMILIES
        if family in by_family
    )


def _numbers(card: Scorecard) -> tuple[tuple[str, str], ...]:
    least, greatest = span_of(as_card(card, list(card.bins.all())))
    cuts = ", ".join(
        f"{grade} ≥ {cut}"
        for grade, cut in (
            ("A", card.grade_a_from),
            ("B", card.grade_b_from),
            ("C", card.grade_c_from),
            ("D", card.grade_d_from),
        )
    )
    return (
        (
            _("Score"),
            _("base %(base)s plus the points of every signal, from %(least)s to %(most)s; 100 is safest")
            % {"base": card.base_points, "least": least, "most": greatest},
        ),
        (_("Grades"), cuts),
        (
            _("A person decides"),
            _("from %(low)s to %(high)s, and below %(due)s instalments due in 12 months")
            % {"low": card.review_from, "high": card.review_to, "due": card.thin_below},
        ),
        (
            _("Odds"),
            _("%(odds)s : 1 at %(anchor)s, twice as good every %(points)s points")
            % {
                "odds": number_format(card.odds_at_anchor.normalize(), use_l10n=True),
                "anchor": card.anchor_score,
                "points": number_format(card.points_to_double.normalize(), use_l10n=True),
            },
        ),
    )


def _newest(card: Scorecard, *kinds: str) -> CardReport | None:
    return next((r for r in card.reports.all() if r.kind in kinds), None)


def _learned(card: Scorecard) -> tuple[tuple[str, str], ...]:
    report, odds = _newest(card, Kind.FIT), _newest(card, Kind.CALIBRATED)
    inherited = points_lesson(card)
    rows: list[tuple[str, str]]
    if report is None and inherited is not None:
        rows = [
            (
                _("Source"),
                _("the firm's own ledger, by %(version)s, from which this version was copied")
                % {"version": inherited["version"]},
            ),
            *_sample(inherited),
            (_("Until"), inherited["until"]),
        ]
    elif report is None and card.learned_until is not None:
        rows = [
            (_("Source"), _("the firm's own ledger, by a version that was thrown away since")),
            (_("Until"), card.learned_until.isoformat()),
        ]
    elif report is None:
        based = str(card.based_on) if card.based_on else _("expert judgement")
        rows = [(_("Source"), _("not learned from data: %s") % based)]
    else:
        rows = [
            (_("Source"), _("the firm's own ledger, with what was known on each day")),
            *_counts(report),
            (_("Until"), str(report.figures.get("until") or day(report.as_of))),
        ]
    if odds is not None and card.calibration != UNCALIBRATED:
        rows += [(_("Odds"), card.calibration_sentence), *_agreement(odds.figures)]
    return tuple(rows)


def _agreement(figures: dict[str, Any]) -> list[tuple[str, str]]:
    """How far the calibrated probabilities came true: without the customer's own outcomes, and on a later year."""
    later = figures["out_of_time"]
    rows = [
        (_("Calibration, cross-fitted by customer"), _inside([row["agrees"] for row in figures["tenths"]]))
    ]
    on_later = (
        told(later["refused"]) if "refused" in later else _inside([row["agrees"] for row in later["tenths"]])
    )
    return [*rows, (_("Calibration, out of time"), on_later)]


def _counts(report: CardReport) -> tuple[tuple[str, str], ...]:
    return _sample(report.figures)


def _sample(figures: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    if figures.get("customers") is None:
        return ()
    told = _("%(rows)s observations of %(customers)s customers, %(events)s of whom defaulted") % {
        "rows": number_format(figures.get("observations") or 0, force_grouping=True),
        "customers": figures["customers"],
        "events": figures.get("events", "?"),
    }
    return ((_("Rows"), told),)


def _tested(card: Scorecard) -> tuple[tuple[str, str], ...]:
    report = _newest(card, Kind.BACKTEST, Kind.FIT)
    stable = _newest(card, Kind.STABILITY)
    rows: list[tuple[str, str]] = []
    if report is None:
        rows.append((_("Discrimination"), _("not measured yet")))
    elif report.figures.get("gini") is None:
        rows.append((_("Discrimination"), told(report.figures.get("refused")) or _("could not be measured")))
    else:
        rows += _counts(report)
        for key, label in (("auc", "AUC"), ("gini", _("Gini")), ("ks", "KS"), ("brier", "Brier")):
            rows += _with_interval(report.figures, key, label)
        rows += _calibrated(report.figures.get("calibration") or [])
        rows += _together(report.figures.get("calibration_together"))
    if stable is not None and stable.figures.get("psi") is not None:
        rows.append((_("PSI over a year"), fixed(stable.figures["psi"], 3)))
    if report is not None:
        rows.append((_("Measured on"), day(report.as_of)))
    return tuple(rows)


def _with_interval(figures: dict[str, Any], key: str, label: str) -> list[tuple[str, str]]:
    value, interval = figures.get(key), figures.get(f"{key}_interval")
    if value is None:
        return []
    text = fixed(value, 3)
    if interval:
        text += f" ({fixed(interval[0], 3)} – {fixed(interval[1], 3)})"
    return [(label, text)]


def _calibrated(rows: list[dict[str, Any]]) -> list[tuple[str, str]]:
    if not rows:
        return []
    inside = [row["interval"][0] <= row["predicted"] <= row["interval"][1] for row in rows]
    return [(_("Calibration"), _inside(inside))]


def _together(found: dict[str, Any] | None) -> list[tuple[str, str]]:
    if not found:
        return []
    p = fixed(found["p_value"], 3)
    if found["agrees"]:
        return [(_("Calibration, all groups at once"), _("no further off than chance allows (p = %s)") % p)]
    return [(_("Calibration, all groups at once"), _("further off than chance allows (p = %s)") % p)]


def _inside(agrees: list[bool]) -> str:
    text = ngettext(
        "%(inside)s of %(n)s group agrees with what happened within its 95 %% interval",
        "%(inside)s of %(n)s groups agree with what happened within their 95 %% interval",
        len(agrees),
    )
    return text % {"inside": sum(agrees), "n": len(agrees)}


def _monitored(card: Scorecard) -> tuple[tuple[str, str], ...]:
    report = _newest(card, Kind.MONITORING)
    always = (
        _("Every month"),
        _(
            "movement between grades, drift of score and signals, whether grades come true, outcome of overrides"
        ),
    )
    if report is None:
        return (always, (_("Last report"), _("none yet for this version")))
    drift = (report.figures.get("drift") or {}).get("psi")
    told = day(report.as_of) + (f", PSI {fixed(drift, 3)}" if drift is not None else "")
    return (always, (_("Last report"), told))


def _limits(card: Scorecard) -> tuple[tuple[str, str], ...]:
    rows = [
        (_("Thin files"), _("little or no history never declines: a person decides")),
        (_("Completeness"), _("nobody is judged late beyond the day the ledger is complete to")),
        (_("Missing values"), _("have points of their own and are told apart from reasons")),
    ]
    if card.calibration == UNCALIBRATED:
        rows.append(
            (_("Probabilities"), _("must not be used as loss rates until the card is fitted to outcomes"))
        )
    elif card.calibration == LEVEL:
        rows.append(
            (_("Probabilities"), _("their mean is told from outcomes, how they part good from bad is not"))
        )
    return tuple(rows)


def _people(card: Scorecard) -> tuple[tuple[str, str], ...]:
    def told(user: User | None, at: Any = None) -> str:
        name = (user.get_full_name() or user.get_username()) if user else "—"
        return f"{name}, {day(at.date())}" if user and at else name

    rows = [
        (_("Made by"), told(card.created_by)),
        (_("Proposed by"), told(card.proposed_by, card.proposed_at)),
    ]
    if card.status in (Scorecard.Status.ACTIVE, Scorecard.Status.RETIRED):
        rows.append((_("Published by"), told(card.decided_by, card.activated_at)))
    if card.override_reason:
        rows.append((_("Published against the gates because"), card.override_reason))
    return tuple(rows)
