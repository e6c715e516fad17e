"""Evidence as it was when a limit change was proposed beside the evidence as it is now, differences marked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext as _

from creditdesk.core.money import Money, format_money
from creditdesk.core.wording import percent
from customers.limit_evidence import money_of
from customers.limit_moves import Move, moves
from customers.limit_reasons import CAP_LABELS
from customers.models import Customer
from customers.shown import Shown, withheld_agencies
from scoring.bank_right import is_of_agencies, is_of_bank, withheld
from scoring.calibrated import UNCALIBRATED, state_label
from scoring.limit_gates import gate_sentence
from scoring.limit_policy import cap_formula
from scoring.models import Recommendation
from scoring.sentences import figure
from scoring.signals import SIGNALS

Evidence = dict[str, Any]
NOTHING = "—"


@dataclass(frozen=True, slots=True)
class Line:
    """One fact then and now, as text. points: of a signal (None for other facts)."""

    label: str
    then: str
    now: str
    points_then: int | None = None
    points_now: int | None = None
    is_number: bool = True

    @property
    def changed(self) -> bool:
        return self.then != self.now or self.points_then != self.points_now


@dataclass(frozen=True, slots=True)
class CapLine:
    """A cap of the limit policy with its formula, as stored in the evidence."""

    label: str
    amount: str
    formula: str
    binds: bool


@dataclass(frozen=True, slots=True)
class MoveLine:
    """A fact that moved while a change waited, in words. tells: worse, better or neutral for granting credit."""

    label: str
    then: str
    now: str
    tells: str
    is_material: bool

    @property
    def tone(self) -> str:
        return {"worse": "bad" if self.is_material else "warn", "better": "good"}.get(self.tells, "info")

    @property
    def word(self) -> str:
        words = {"worse": _("worse"), "better": _("better")}
        return words.get(self.tells, _("moved"))


def moved(then: Evidence, now: Evidence, proposed: Money | None = None) -> list[MoveLine]:
    """What moved between two pieces of evidence, as a person reads it; the worst first."""
    return [move_line(move) for move in moves(then, now, proposed)]


def move_line(move: Move) -> MoveLine:
    labels = {
        "grade": _("grade"),
        "score": _("score"),
        "exposure": _("exposure"),
        "exposure_above_limit": _("exposure is above the limit proposed"),
        "overdue": _("overdue"),
        "oldest_days_past_due": _("oldest item, days past due"),
        "limit": _("limit in force"),
        "customer_status": _("customer status"),
        "open_disputes": _("open disputes"),
        "broken_promises": _("broken promises"),
        "cover": _("cover"),
    }

    def text(value: Any) -> str:
        if isinstance(value, Money):
            return format_money(value)
        return _label(Customer.Status, value) if move.code == "customer_status" else _plain(value)

    return MoveLine(labels[move.code], text(move.then), text(move.now), move.tells, move.is_material)


def facts(then: Evidence, now: Evidence) -> list[Line]:
    """Score, exposure and history lines. Figures missing on both sides are left out."""
    read: list[tuple[str, Callable[[Evidence], str]]] = [
        (_("score"), _score),
        (_("probability of default"), _pd),
        (_("recommendation"), lambda e: _label(Recommendation, e.get("recommendation"))),
        (_("exposure"), lambda e: _money(_exposure(e).get("total"))),
        (_("of it open invoices"), lambda e: _money(_exposure(e).get("open_invoices"))),
        (_("of it unbilled deliveries"), lambda e: _money(_exposure(e).get("unbilled_deliveries"))),
        (_("of it open orders"), lambda e: _money(_exposure(e).get("open_orders"))),
        (_("of it payments not yet safe"), lambda e: _money(_exposure(e).get("instruments"))),
        (_("less unapplied cash"), lambda e: _money(_exposure(e).get("unapplied_cash"))),
        (_("less open credit notes"), lambda e: _money(_exposure(e).get("open_credits"))),
        (_("cover"), lambda e: _money(_exposure(e).get("cover"))),
        (_("overdue"), lambda e: _money(e.get("overdue"))),
        (_("oldest item, days past due"), lambda e: _plain(e.get("oldest_days_past_due"))),
        (_("limit in force"), lambda e: _money((e.get("limit") or {}).get("in_force"))),
        (_("customer status"), lambda e: _label(Customer.Status, e.get("customer_status"))),
        (_("open disputes"), lambda e: _plain(_history(e).get("open_disputes", 0)) if e else NOTHING),
        (_("broken promises"), lambda e: _plain(_history(e).get("broken_promises", 0)) if e else NOTHING),
    ]
    zero = {_money({"minor": 0, "currency": e.get("currency", "EUR")}) for e in (then, now)}
    lines = [Line(label, text(then), text(now)) for label, text in read]
    optional = {_("cover"), *(label for label, _text in read[4:10])}
    empty = {NOTHING, *zero}
    return [
        line
        for line in lines
        if not (line.then == NOTHING and line.now == NOTHING)
        and not (line.label in optional and {line.then, line.now} <= empty)
    ]


def key_facts(then: Evidence, now: Evidence) -> list[Line]:
    """The few facts a row of the inbox has room for, then and now."""
    read: list[tuple[str, Callable[[Evidence], str]]] = [
        (_("score"), _score),
        (_("exposure"), lambda e: _money(_exposure(e).get("total"))),
        (_("overdue"), lambda e: _money(e.get("overdue"))),
        (_("oldest item, days past due"), lambda e: _plain(e.get("oldest_days_past_due"))),
        (_("limit in force"), lambda e: _money((e.get("limit") or {}).get("in_force"))),
        (_("open disputes"), lambda e: _plain(_history(e).get("open_disputes", 0)) if e else NOTHING),
        (_("broken promises"), lambda e: _plain(_history(e).get("broken_promises", 0)) if e else NOTHING),
        (_("customer status"), lambda e: _label(Customer.Status, e.get("customer_status"))),
    ]
    return [Line(label, text(then), text(now)) for label, text in read]


def signals(then: Evidence, now: Evidence, *, shown: Shown) -> list[Line]:
    """Every signal with its value and points then and now, the largest loss of points first.

    shown: what the reader may see about the customer; other signals are left out.
    """
    before, after = _json_signals(then), _json_signals(now)
    lines = []
    for signal in SIGNALS:
        if (is_of_bank(signal.name) and not shown.bank) or (
            is_of_agencies(signal.name) and not shown.agencies
        ):
            continue
        was, is_now = before.get(signal.name), after.get(signal.name)
        if was is None and is_now is None:
            continue
        lines.append(
            Line(
                str(signal.label),
                figure(signal.name, was["value"]) if was else NOTHING,
                figure(signal.name, is_now["value"]) if is_now else NOTHING,
                was["points"] if was else None,
                is_now["points"] if is_now else None,
            )
        )
    return sorted(
        lines,
        key=lambda line: (
            not line.changed,
            line.points_now if line.points_now is not None else (line.points_then or 0),
        ),
    )


def _json_signals(evidence: Evidence) -> dict[str, dict[str, Any]]:
    """{signal name: {"value", "points"}} of stored evidence."""
    return {item["name"]: item for item in evidence.get("signals", [])}


def caps(evidence: Evidence, *, shown: Shown) -> list[CapLine]:
    """The caps of the recommendation in the evidence; empty when nothing was recommended.

    shown: what the reader may see about the customer; another cap stands there without its figures.
    """
    recommended = evidence.get("recommended") or {}
    kept_back = cap_withheld(shown)
    return [
        CapLine(
            str(CAP_LABELS[cap["code"]]),
            "…" if cap["code"] in kept_back else _money(cap["amount"]),
            kept_back.get(cap["code"]) or cap_formula(cap["code"], cap["params"]),
            recommended.get("bound_by") == cap["code"],
        )
        for cap in recommended.get("caps", [])
    ]


def cap_withheld(shown: Shown) -> dict[str, str]:
    """Which caps are withheld from the reader, and what stands in their place."""
    bank = {} if shown.bank else {"bank_flows": withheld()}
    return bank if shown.agencies else bank | {"agency": withheld_agencies()}


@dataclass(frozen=True, slots=True)
class GateLine:
    """A gate of a rise as stored in the evidence: what is asked and what was found."""

    sentence: str
    passed: bool


def gates(evidence: Evidence) -> list[GateLine]:
    """The gates of the recommended rise in the evidence; empty for anything but a rise."""
    recommended = evidence.get("recommended") or {}
    return [
        GateLine(gate_sentence(gate["code"], gate["params"]), gate["passed"])
        for gate in recommended.get("gates", [])
    ]


def _exposure(evidence: Evidence) -> dict[str, Any]:
    return evidence.get("exposure") or {}


def _history(evidence: Evidence) -> dict[str, Any]:
    return evidence.get("history") or {}


def _score(evidence: Evidence) -> str:
    if evidence.get("score") is None:
        return NOTHING
    return f"{evidence['score']} {evidence.get('grade', '')}"


def _money(param: dict[str, Any] | None) -> str:
    money = money_of(param)
    return NOTHING if money is None else format_money(money)


def _percent(value: Any) -> str:
    return NOTHING if value in (None, "") else percent(Decimal(str(value)))


def _pd(evidence: Evidence) -> str:
    """With what it stands on; evidence kept before that was told came from expert odds."""
    if evidence.get("pd") in (None, ""):
        return NOTHING
    return f"{_percent(evidence['pd'])} ({state_label(evidence.get('pd_is', UNCALIBRATED))})"


def _plain(value: Any) -> str:
    return NOTHING if value is None else str(value)


def _label(choices: Any, value: Any) -> str:
    return str(choices(value).label) if value else NOTHING
