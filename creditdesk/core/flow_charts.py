"""Columns above and below zero: what came in, what went out, week by week."""

from __future__ import annotations

from collections.abc import Sequence

from creditdesk.core.charts import (
    BOTTOM,
    LEFT,
    RIGHT,
    TOP,
    WIDTH,
    Chart,
    Format,
    _rect,
    _svg,
    _text,
    _y_axis,
    nice_ticks,
)
from creditdesk.core.wording import Value, compact, number


def signed_bars(
    categories: Sequence[str],
    values: Sequence[Value],
    *,
    title: str,
    label: str,
    fmt: Format = number,
    height: int = 180,
) -> Chart:
    """One column per category: above the line (good) when positive, below it (bad) when negative."""
    ticks = nice_ticks(float(min([*values, 0])), float(max([*values, 0]) or 1))
    bottom = height - BOTTOM

    def y(value: float) -> float:
        return bottom - (value - ticks[0]) / (ticks[-1] - ticks[0]) * (bottom - TOP)

    slot = (WIDTH - LEFT - RIGHT) / max(len(categories), 1)
    width = min(slot * 0.68, 40)
    every = max(1, -(-len(categories) // 9))
    body = _y_axis(ticks, y, compact)
    for i, (category, value) in enumerate(zip(categories, values, strict=True)):
        left = LEFT + slot * i + (slot - width) / 2
        top = y(max(float(value), 0))
        size = abs(y(float(value)) - y(0))
        if size:
            css = "s1" if value > 0 else "bad"
            body.append(_rect(left, top, width, max(size, 1), css, f"{category}: {fmt(value)}", 1))
        if i % every == 0:
            body.append(_text(left + width / 2, height - 6, category, "axis"))
    last = "; ".join(f"{c}: {fmt(v)}" for c, v in list(zip(categories, values, strict=True))[-4:])
    return Chart(
        svg=_svg(title, last, height, body),
        title=title,
        headers=["", label],
        rows=[[c, fmt(v)] for c, v in zip(categories, values, strict=True)],
    )
