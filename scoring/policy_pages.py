"""What the limit policy pages show, gathered from the models; no HTTP here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from creditdesk.core.models import User
from creditdesk.core.money import Money
from customers.access import visible_accounts
from customers.limit_reasons import CAP_LABELS
from scoring.limit_policy import keep_sentence
from scoring.models import CauseKind, LimitPolicy, PolicyReport
from scoring.policies import terms_of
from scoring.policy_publishing import LIFE
from scoring.policy_sections import Section, sections
from scoring.policy_simulation import STATES


def terms(policy: LimitPolicy) -> list[Section]:
    """(title, [(what, value)]) of what a policy says besides its grades and causes."""
    return sections(LIFE, policy)[: len(LIFE.sections)]


@dataclass(frozen=True, slots=True)
class Line:
    """One figure in the three states; `step`: the draft less what is in use, for money."""

    label: str
    now: Any
    in_use: Any
    draft: Any
    note: str = ""


def simulation(user: User, report: PolicyReport | None) -> dict[str, Any] | None:
    """A report as the page shows it; movers by name only where this person may see them, sums are the whole book's."""
    if report is None:
        return None
    figures = report.figures
    movers = figures["movers"]
    seen = {
        account.pk: account
        for account in visible_accounts(user)
        .filter(pk__in=[m["account"] for m in movers])
        .select_related("customer")
    }
    shown = [
        {
            **m,
            "who": seen[m["account"]],
            "why": str(CAP_LABELS.get(m["bound_by"], "")) or _("declined")
            if m["bound_by"] == "declined"
            else str(CAP_LABELS.get(m["bound_by"], "")),
            **{name: _money(m[name], m["currency"]) for name in ("now", "in_use", "draft", "exposure")},
        }
        for m in movers
        if m["account"] in seen
    ]
    return {
        "report": report,
        "figures": figures,
        "counts": _counts(figures),
        "money": [(currency, _sums(figures, currency)) for currency in sorted(figures["money"])],
        "kept": _kept(report.policy, figures),
        "movers": shown[:20],
        "headline": headline(figures),
    }


def headline(figures: dict[str, Any]) -> str:
    """The simulation in one sentence per currency: who is cut and blocked, and what that is worth."""
    draft, now = figures["counts"]["draft"], figures["counts"]["now"]
    parts = [
        _("%(cut)s cut, %(raised)s raised (%(at_once)s at once), %(blocked)s blocked that are not today")
        % {
            "cut": draft.get("cut", 0),
            "raised": draft.get("raised", 0),
            "at_once": draft.get("at_once", 0),
            "blocked": max(draft.get("blocked", 0) - now.get("blocked", 0), 0),
        }
    ]
    for currency, sums in sorted(figures["money"].items()):
        exposure = Money(sums["draft"]["exposure"] - sums["now"]["exposure"], currency)
        before, after = sums["now"]["expected_loss"], sums["draft"]["expected_loss"]
        change = f"{(after - before) * 100 / before:+.1f} %" if before else "—"
        parts.append(
            _("exposure %(exposure)s, expected loss %(change)s")
            % {"exposure": f"{'+' if exposure.minor > 0 else ''}{exposure}", "change": change}
        )
    return "; ".join(parts)


def _counts(figures: dict[str, Any]) -> list[Line]:
    def line(label: str, name: str, note: str = "") -> Line:
        now = figures["counts"]["now"].get(name, 0) if name == "blocked" else None
        in_use, draft = (figures["counts"][state].get(name, 0) for state in ("in_use", "draft"))
        return Line(label, now, in_use, draft, note)

    lines = [
        line(_("limits cut"), "cut"),
        line(_("of them to zero"), "to_zero"),
        line(_("limits raised"), "raised"),
        line(_("of them at once"), "at_once"),
        line(_("first limits"), "first"),
        line(_("left alone"), "kept"),
        line(_("blocked"), "blocked", _("owes as much as the limit or more, or the limit is zero")),
    ]
    for kind in CauseKind:
        in_use, draft = (figures["causes"][state].get(kind, 0) for state in ("in_use", "draft"))
        held = figures["held"]["draft"].get(kind, 0)
        if in_use or draft:
            note = _("%(count)s of them held until a person decides") % {"count": held} if held else ""
            lines.append(Line(_("cut for a cause tonight: %s") % kind.label, None, in_use, draft, note))
    return lines


def _sums(figures: dict[str, Any], currency: str) -> list[Line]:
    sums = figures["money"][currency]

    def line(label: str, name: str, note: str = "") -> Line:
        now, in_use, draft = (Money(sums[state][name], currency) for state in STATES)
        return Line(label, now, in_use, draft, note)

    return [
        line(_("limits"), "limits"),
        line(_("limits where the steps end"), "target"),
        line(_("exposure"), "exposure", _("above a cut limit paid down; a raised one used as today")),
        line(_("of it not covered"), "at_risk"),
        line(
            _("expected loss"),
            "expected_loss",
            _("probability of default x not covered x %(percent)s %%") % {"percent": figures["loss_percent"]},
        ),
    ]


def _kept(policy: LimitPolicy, figures: dict[str, Any]) -> list[tuple[str, int]]:
    terms = terms_of(policy)
    kept = figures["kept"]["draft"]
    return [
        (keep_sentence(code, terms), count) for code, count in sorted(kept.items(), key=lambda one: -one[1])
    ]


def _money(minor: int | None, currency: str) -> Money | None:
    return None if minor is None else Money(minor, currency)
