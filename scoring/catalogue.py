"""The page of the signal catalogue, made from the signals themselves (docs/signals.md)."""

from __future__ import annotations

from django.utils.translation import override

from scoring.signals import FAMILIES, SIGNALS, WORSE, Signal

HEAD = """# The signals

Made by `manage.py signal_catalogue` from `scoring/signals/`; a test fails when this page is stale. {count} signals in
{families} families, each computed by the same statement for any date and any of the three views (what is known now,
what was known on a day, what this system had recorded by an instant).

- **Direction**: *worse* means a higher value is a worse sign; a card's points never move against it.
- **Informs only**: a worse fact could make the value look better (a trend, a rate among the late ones). People and
  fitted estimates may read it; no card may give it points, so that a worse fact never raises a score.
- Ratios and averages are rounded to 6 decimals. Days late count from the due day to the day the ledger is complete to;
  see [scores](scoring.md) for what is judged and on which day.
"""


def page() -> str:
    """The page in English, ending with a newline."""
    with override("en"):
        families = [name for name in FAMILIES if any(s.family == name for s in SIGNALS)]
        parts = [HEAD.format(count=len(SIGNALS), families=len(families))]
        for family in families:
            mine = [signal for signal in SIGNALS if signal.family == family]
            parts.append(f"\n## {str(FAMILIES[family]).capitalize()} ({len(mine)})\n")
            parts += [_entry(signal) for signal in mine]
        return "".join(parts)


def _entry(signal: Signal) -> str:
    direction = "worse" if signal.higher_is == WORSE else "better"
    notes = [f"unit: {signal.unit}", f"higher is {direction}"]
    if signal.needs_depth:
        notes.append("needs enough history")
    if not signal.carries_points:
        notes.append("**informs only**")
    return (
        f"\n### `{signal.name}`: {signal.label}\n\n"
        f"{'; '.join(notes)}\n\n"
        f"- Formula: {signal.formula}\n"
        f"- Source: {signal.source}\n"
        f"- Freshness: {signal.freshness}\n"
        f"- Missing: {signal.missing}\n"
    )
