"""Pictures of figures: inline SVG drawn on the server, with the same figures as a table beside it.

No script and no inline style (a strict CSP holds): colours come from classes in desk.css (`s1`..`s6` for series,
`good`, `warn`, `bad`, `mute` for meanings), so that dark mode and print follow. Every function returns a `Chart`;
`{% chart c %}` (template library `desk`) renders it. Values are plain numbers (money in major units): a picture
needs no cents. `fmt` turns a value into what a person reads; by default `number()`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import count
from typing import Any

from babel.dates import format_date
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from creditdesk.core.wording import Value, compact, day, locale, number

Format = Callable[[Value], str]
_ids = count(1)

WIDTH = 640
# Pictures beside others stand in a third of the page: drawn narrower, their text keeps its size.
NARROW = 400
LEFT, RIGHT, TOP, BOTTOM = 46, 12, 14, 24


@dataclass(frozen=True, slots=True)
class Series:
    """One line or one colour of bars. values: as many as categories (bars) or (date, value) pairs (lines)."""

    label: str
    values: Sequence[Any]
    css: str = ""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened on a day, marked on the line; `css` good, warn, bad or info."""

    on: date
    label: str
    css: str = "info"


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawn picture: `svg`, its `legend` (label, css) and the same figures as `headers` and `rows`."""

    svg: SafeString
    title: str
    legend: Sequence[tuple[str, str]] = ()
    headers: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    notes: Sequence[tuple[str, str, str]] = field(default=())

    def __html__(self) -> str:
        return self.svg


def _svg(
    title: str,
    desc: str,
    height: int,
    body: Iterable[str],
    css: str = "",
    width: int = WIDTH,
    role: str = "img",
) -> SafeString:
    """role: "group" when the picture holds links, which an image may not."""
    key = f"chart-{next(_ids)}"
    return mark_safe(  # noqa: S308 - every text below went through escape()
        f'<svg class="d-chart {css}" viewBox="0 0 {width} {height}" role="{role}" '
        f'aria-labelledby="{key}-t {key}-d" preserveAspectRatio="xMidYMid meet">'
        f'<title id="{key}-t">{escape(title)}</title><desc id="{key}-d">{escape(desc)}</desc>'
        f"{''.join(body)}</svg>"
    )


def _text(x: float, y: float, text: str, css: str = "", anchor: str = "middle") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" class="{css}">{escape(text)}</text>'


def _rect(x: float, y: float, width: float, height: float, css: str, tip: str = "", radius: int = 2) -> str:
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 0):.1f}" height="{max(height, 0):.1f}" rx="{radius}" '
        f'class="{css}"><title>{escape(tip)}</title></rect>'
    )


def nice_ticks(low: float, high: float, wanted: int = 4) -> list[float]:
    """Round axis values (1, 2, 2.5 or 5 times a power of ten) covering low..high."""
    if high <= low:
        high = low + 1
    rough = (high - low) / wanted
    power = 10 ** math.floor(math.log10(rough))
    step = next(s * power for s in (1, 2, 2.5, 5, 10) if s * power >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [i * step for i in range(first, last + 1)]


def _y_axis(ticks: Sequence[float], y: Callable[[float], float], fmt: Format) -> list[str]:
    parts = []
    for tick in ticks:
        parts.append(
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(tick):.1f}" y2="{y(tick):.1f}" class="grid"/>'
        )
        parts.append(_text(LEFT - 6, y(tick) + 3.5, fmt(tick), "axis", "end"))
    return parts


def _month_marks(first: date, last: date, wanted: int = 9) -> list[date]:
    months = (last.year - first.year) * 12 + last.month - first.month
    step = next((s for s in (1, 2, 3, 6, 12) if months / s <= wanted), 12)
    marks, year, month = [], first.year, first.month
    while (year, month) <= (last.year, last.month):
        mark = date(year, month, 1)
        if mark >= first:
            marks.append(mark)
        month += step
        year, month = year + (month - 1) // 12, (month - 1) % 12 + 1
    return marks


def line_chart(
    series: Sequence[Series],
    *,
    title: str,
    events: Sequence[Event] = (),
    band: Sequence[tuple[date, Value, Value]] = (),
    target: Value | None = None,
    y_range: tuple[float, float] | None = None,
    fmt: Format = number,
    axis_fmt: Format | None = None,
    height: int = 210,
) -> Chart:
    """Lines over days. events: markers on a rail under the lines; band: (day, low, high) behind the first line.

    y_range fixes the scale (0 to 100 for a score); otherwise it spans the values, from zero when they are near it.
    """
    axis_fmt = axis_fmt or compact
    points = [(d, float(v)) for s in series for d, v in s.values if v is not None]
    rail = 22 if events else 0
    bottom = height - BOTTOM - rail
    if not points:
        return Chart(
            _svg(title, _("No figures yet."), 60, [_text(WIDTH / 2, 34, _("No figures yet."), "axis")]), title
        )
    values = [v for _d, v in points] + [float(v) for row in band for v in row[1:]]
    values += [float(target)] if target is not None else []
    low, high = y_range or (
        min(0.0, *values) if min(values) < max(values) * 0.6 else min(values),
        max(values),
    )
    ticks = nice_ticks(low, high)
    days = [d for d, _v in points] + [e.on for e in events] + [row[0] for row in band]
    first, last = min(days), max(days)
    # A single day stands at the right end, where the newest one always stands.
    start = first if first < last else last - timedelta(days=1)
    span = (last - start).days

    def x(d: date) -> float:
        return LEFT + (d - start).days / span * (WIDTH - LEFT - RIGHT)

    def y(v: float) -> float:
        return bottom - (v - ticks[0]) / (ticks[-1] - ticks[0]) * (bottom - TOP)

    body = _y_axis(ticks, y, axis_fmt)
    for mark in _month_marks(first, last):
        text = format_date(mark, "MMM yy", locale=locale())
        body.append(_text(min(max(x(mark), LEFT + 12), WIDTH - 24), height - 6, text, "axis"))
    if band:
        upper = " ".join(f"{x(d):.1f},{y(float(hi)):.1f}" for d, _lo, hi in band)
        lower = " ".join(f"{x(d):.1f},{y(float(lo)):.1f}" for d, lo, _hi in reversed(band))
        body.append(f'<polygon points="{upper} {lower}" class="band"/>')
    if target is not None:
        body.append(
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(float(target)):.1f}" y2="{y(float(target)):.1f}" class="target"/>'
        )
    for index, one in enumerate(series, 1):
        body.append(_line(one, one.css or f"s{index}", x, y, fmt))
    for mark_no, event in enumerate(events):
        body.append(_event(x(event.on), TOP, bottom, height - BOTTOM - 8 + (mark_no % 2) * 0, event))
    latest = "; ".join(
        f"{s.label} {fmt(s.values[-1][1])}" for s in series if s.values and s.values[-1][1] is not None
    )
    desc = _("From %(first)s to %(last)s. Latest: %(latest)s.") % {
        "first": day(first),
        "last": day(last),
        "latest": latest,
    }
    by_day: dict[date, list[str]] = {}
    for index, one in enumerate(series):
        for d, v in one.values:
            by_day.setdefault(d, [""] * len(series))[index] = "" if v is None else fmt(v)
    return Chart(
        svg=_svg(title, desc, height, body),
        title=title,
        legend=[(s.label, s.css or f"s{i}") for i, s in enumerate(series, 1)] if len(series) > 1 else (),
        headers=[_("Day"), *(s.label for s in series)],
        rows=[[day(d), *cells] for d, cells in sorted(by_day.items())],
        notes=[(day(e.on), e.label, e.css) for e in events],
    )


def _line(one: Series, css: str, x: Callable, y: Callable, fmt: Format) -> str:
    """Segments broken where a value is missing, and a dot on the last one."""
    runs: list[list[tuple[float, float]]] = [[]]
    last = None
    for d, v in one.values:
        if v is None:
            runs.append([])
            continue
        runs[-1].append((x(d), y(float(v))))
        last = (x(d), y(float(v)), d, v)
    parts = [
        f'<polyline points="{" ".join(f"{px:.1f},{py:.1f}" for px, py in run)}" class="line {css}"/>'
        for run in runs
        if len(run) > 1
    ]
    if last:
        tip = f"{one.label}: {fmt(last[3])}, {day(last[2])}"
        parts.append(
            f'<circle cx="{last[0]:.1f}" cy="{last[1]:.1f}" r="3.5" class="dot {css}"><title>{escape(tip)}</title></circle>'
        )
    return "".join(parts)


def _event(x: float, top: float, bottom: float, rail: float, event: Event) -> str:
    tip = f"{day(event.on)}: {event.label}"
    shape = {
        "bad": f'<path d="M{x - 5:.1f} {rail + 4:.1f}h10l-5 -9z"/>',
        "warn": f'<path d="M{x:.1f} {rail - 5.5:.1f}l5 5 -5 5 -5 -5z"/>',
        "good": f'<circle cx="{x:.1f}" cy="{rail:.1f}" r="4.5"/>',
    }.get(event.css, f'<rect x="{x - 4:.1f}" y="{rail - 4:.1f}" width="8" height="8"/>')
    stem = f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{top:.1f}" y2="{bottom:.1f}" class="stem"/>'
    return f'<g class="event {event.css}">{stem}{shape}<title>{escape(tip)}</title></g>'


def stacked_bars(
    categories: Sequence[str],
    series: Sequence[Series],
    *,
    title: str,
    fmt: Format = number,
    height: int = 220,
    links: Sequence[str] = (),
) -> Chart:
    """Columns, one per category, stacked from the series in order. links: one address per column, or none."""
    totals = [sum(float(s.values[i] or 0) for s in series) for i in range(len(categories))]
    ticks = nice_ticks(0, max([*totals, 0]) or 1)
    bottom = height - BOTTOM

    def y(v: float) -> float:
        return bottom - v / ticks[-1] * (bottom - TOP)

    slot = (WIDTH - LEFT - RIGHT) / max(len(categories), 1)
    width = min(slot * 0.68, 64)
    every = max(1, math.ceil(len(categories) / 13))
    body = _y_axis(ticks, y, compact)
    for i, category in enumerate(categories):
        left, base, column = LEFT + slot * i + (slot - width) / 2, 0.0, []
        for index, one in enumerate(series, 1):
            value = float(one.values[i] or 0)
            if value <= 0:
                continue
            tip = f"{category} · {one.label}: {fmt(one.values[i])}"
            column.append(
                _rect(left, y(base + value), width, y(base) - y(base + value), one.css or f"s{index}", tip, 1)
            )
            base += value
        drawn = "".join(column)
        body.append(
            f'<a href="{escape(links[i])}" aria-label="{escape(category)}">{drawn}</a>'
            if links and links[i]
            else drawn
        )
        if i % every == 0:
            body.append(_text(left + width / 2, height - 6, category, "axis"))
    desc = "; ".join(f"{c}: {fmt(t)}" for c, t in list(zip(categories, totals, strict=True))[-6:])
    return Chart(
        svg=_svg(title, desc, height, body, role="group" if links else "img"),
        title=title,
        legend=[(s.label, s.css or f"s{i}") for i, s in enumerate(series, 1)] if len(series) > 1 else (),
        headers=["", *(s.label for s in series)],
        rows=[[c, *(fmt(s.values[i] or 0) for s in series)] for i, c in enumerate(categories)],
    )


def bars(
    categories: Sequence[str], values: Sequence[Value], *, title: str, label: str = "", **kwargs: Any
) -> Chart:
    """Plain columns; `css` in kwargs colours them."""
    css = kwargs.pop("css", "s1")
    return stacked_bars(categories, [Series(label or title, values, css)], title=title, **kwargs)


def row_bars(
    rows: Sequence[tuple[str, Value, str]], *, title: str, fmt: Format = number, label: str = ""
) -> Chart:
    """Horizontal bars with their value written at the end: (label, value, css)."""
    height = 26 * len(rows) + 8
    top = max([float(v) for _l, v, _c in rows] + [0]) or 1
    left, room = 84, NARROW - 84 - 92
    body = []
    for i, (text, value, css) in enumerate(rows):
        y = 6 + 26 * i
        body.append(_text(left - 10, y + 13, text, "label", "end"))
        body.append(_rect(left, y, room, 18, "track"))
        if value:
            body.append(_rect(left, y, max(room * float(value) / top, 2), 18, css, f"{text}: {fmt(value)}"))
        body.append(_text(NARROW - 2, y + 13, fmt(value), "value", "end"))
    return Chart(
        svg=_svg(title, "; ".join(f"{t}: {fmt(v)}" for t, v, _c in rows), height, body, "narrow", NARROW),
        title=title,
        headers=["", label or title],
        rows=[[t, fmt(v)] for t, v, _c in rows],
    )


AGEING_CSS = ("good", "warn-1", "warn-2", "bad-1", "bad-2")


def ageing_bars(buckets: Sequence[tuple[str, Value]], *, title: str, fmt: Format = number) -> Chart:
    """Open money by age, oldest last: (label, value) for not due, 1-30, 31-60, 61-90, 90+."""
    return row_bars(
        [(label, value, AGEING_CSS[min(i, len(AGEING_CSS) - 1)]) for i, (label, value) in enumerate(buckets)],
        title=title,
        fmt=fmt,
    )


def exposure_bar(
    parts: Sequence[tuple[str, Value, str]],
    limit: Value | None,
    *,
    title: str,
    cover: Value = 0,
    fmt: Format = number,
) -> Chart:
    """One bar of exposure parts (label, value, css) against the limit; what is left of it is headroom.

    Beyond the limit the scale grows and the limit stays marked, so that 116 % is seen to be too much. cover is
    drawn as a bracket under the bar: it protects, it does not reduce exposure.
    """
    used = sum(float(v) for _l, v, _c in parts if v > 0)
    cap = float(limit) if limit is not None else None
    full = max(used, cap or 0, float(cover)) * 1.02 or 1
    width = NARROW - 8
    body, x = [_rect(4, 22, width, 30, "track", radius=3)], 4.0
    rows = []
    for label, value, css in parts:
        rows.append([label, fmt(value)])
        if value <= 0:
            continue
        size = width * float(value) / full
        body.append(_rect(x, 22, size, 30, css, f"{label}: {fmt(value)}", 1))
        x += size
    if cap is not None:
        at = 4 + width * cap / full
        body.append(f'<line x1="{at:.1f}" x2="{at:.1f}" y1="14" y2="60" class="limit"/>')
        anchor = "end" if at > NARROW / 2 else "start"
        body.append(
            _text(at - 4 if anchor == "end" else at + 4, 12, _("limit %s") % fmt(limit or 0), "value", anchor)
        )
        rows.append([_("limit"), fmt(limit or 0)])
        rows.append([_("headroom"), fmt(max(cap - used, 0))])
    if cover:
        end = 4 + width * float(cover) / full
        body.append(f'<path d="M4 58v6H{end:.1f}v-6" class="cover"/>')
        body.append(_text(4, 78, _("covered %s") % fmt(cover), "axis", "start"))
        rows.append([_("cover"), fmt(cover)])
    desc = "; ".join(f"{label}: {value}" for label, value in rows)
    legend = [(label, css) for label, value, css in parts if value > 0]
    if cap is not None and cap > used:
        legend.append((_("headroom"), "track"))
    return Chart(
        svg=_svg(title, desc, 84 if cover else 64, body, "narrow", NARROW),
        title=title,
        legend=legend,
        headers=["", title],
        rows=rows,
    )


def sparkline(
    values: Sequence[Value | None], *, title: str, css: str = "s1", width: int = 96, height: int = 24
) -> Chart:
    """A small line without axes, for a tile or a table cell; the last value is dotted."""
    known = [(i, float(v)) for i, v in enumerate(values) if v is not None]
    if len(known) < 2:
        return Chart(_svg(title, "", height, [], "spark", width), title)
    low, high = min(v for _i, v in known), max(v for _i, v in known)
    span = (high - low) or 1
    step = (width - 6) / max(len(values) - 1, 1)
    points = [(3 + i * step, height - 4 - (v - low) / span * (height - 8)) for i, v in known]
    body = [
        f'<polyline points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in points)}" class="line {css}"/>',
        f'<circle cx="{points[-1][0]:.1f}" cy="{points[-1][1]:.1f}" r="2.5" class="dot {css}"/>',
    ]
    desc = _("from %(first)s to %(last)s") % {"first": number(known[0][1]), "last": number(known[-1][1])}
    return Chart(_svg(title, desc, height, body, "spark", width), title)
