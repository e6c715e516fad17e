"""What every page of the desk shows the same way: money, days, percentages, grades, bars, charts."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from creditdesk.core import acts, charts, sentences, wording
from creditdesk.core.money import Money, exponent, format_money

register = template.Library()


@register.simple_tag
def money(
    value: Money | int | None, currency: str = "", whole: bool = False, bare: bool = False
) -> SafeString | str:
    """An amount. `currency` when `value` is an int of minor units; whole: no decimals; bare: no currency code."""
    if value is None or value == "":
        return "—"
    if not isinstance(value, Money):
        value = Money(int(value), currency)
    if whole:
        text = wording.fixed(value.amount.quantize(Decimal(1)))
    else:
        text = format_money(value, with_currency=False)
    css = "d-money d-neg" if value.minor < 0 else "d-money"
    if bare:
        return format_html('<span class="{}">{}</span>', css, text)
    return format_html(
        '<span class="{}">{}&nbsp;<span class="d-ccy">{}</span></span>', css, text, value.currency
    )


@register.filter
def told(value: Any) -> str:
    """A stored sentence, in the reader's language (creditdesk/core/sentences.py)."""
    return sentences.told(value)


@register.filter
def major(value: Money | None) -> Decimal | None:
    """Major units of a Money, for a form field or a chart."""
    return None if value is None else value.amount


@register.filter
def amount(value: Money | None) -> str:
    """The amount alone, for a column whose head says the currency."""
    return "—" if value is None else format_money(value, with_currency=False)


@register.filter
def whole(value: Money | None) -> str:
    """The amount rounded to whole units, without currency: for tiles and tables that are read, not added."""
    if value is None:
        return "—"
    places = value.amount.quantize(Decimal(1)) if exponent(value.currency) else value.amount
    return wording.fixed(places)


@register.filter
def day(value: date | datetime | str | None) -> str:
    """22 Nov 2026 in the reader's language; of a day kept in figures (ISO text), too."""
    if not value:
        return "—"
    if isinstance(value, str):
        value = date.fromisoformat(value)
    if isinstance(value, datetime):
        value = timezone.localtime(value).date() if timezone.is_aware(value) else value.date()
    return wording.day(value)


@register.filter
def month(value: str | None) -> str:
    """October 2026 in the reader's language, of a month kept in figures as 2026-10."""
    return wording.month(date.fromisoformat(f"{value}-01")) if value else "—"


@register.filter
def person(value: Any) -> str:
    """A colleague by name, as on every page; the login where no name is recorded."""
    return "—" if not value else value.get_full_name() or value.get_username()


@register.filter
def moment(value: datetime | None) -> str:
    """22 Nov 2026, 14:05 in the installation's time zone."""
    if not value:
        return "—"
    local = timezone.localtime(value) if timezone.is_aware(value) else value
    return f"{wording.day(local.date())}, {local:%H:%M}"


colon = register.simple_tag(wording.colon, name="colon")
percent = register.filter("percent", wording.percent)
register.filter("percent_of_100", wording.percent_of_100)
act_label = register.filter("act_label", acts.act_label)
actor_label = register.filter("actor_label", acts.actor_label)


@register.filter
def figure(value: Any, places: int = 0) -> str:
    """A plain number with the language's separators."""
    if value is None or value == "":
        return "—"
    return wording.fixed(value, places)


@register.filter
def signed(value: Any, places: int = 0) -> str:
    """A difference with its sign; nought has none."""
    if value is None or value == "":
        return "—"
    text = wording.fixed(value, places)
    return f"+{text}" if round(float(value), places) > 0 else text


@register.filter
def days(value: int | None) -> str:
    if value is None:
        return "—"
    return ngettext("%(count)s day", "%(count)s days", value) % {"count": figure(value)}


@register.simple_tag
def grade_badge(grade: str | None, score: int | None = None) -> SafeString:
    """The grade letter in its own shape, with the score before it; '—' when there is no score yet."""
    if not grade:
        return format_html('<span class="d-grade d-grade--none" title="{}">—</span>', _("no score yet"))
    words = {"A": _("safe"), "B": _("sound"), "C": _("watch"), "D": _("weak"), "E": _("critical")}
    letter = format_html(
        '<span class="d-grade d-grade--{}" title="{}">{}</span>', grade.lower(), words.get(grade, ""), grade
    )
    if score is None:
        return letter
    return format_html('<span class="d-score"><b>{}</b> {}</span>', score, letter)


BADGE_SHAPES = {"good": "●", "warn": "▲", "bad": "■", "info": "◆", "mute": "○"}


@register.simple_tag
def badge(text: Any, tone: str = "mute") -> SafeString:
    """A word with a shape of its own, so that colour never speaks alone. tone: good, warn, bad, info, mute."""
    tone = tone if tone in BADGE_SHAPES else "mute"
    return format_html(
        '<span class="d-badge d-badge--{}"><span aria-hidden="true">{}</span>{}</span>',
        tone,
        BADGE_SHAPES[tone],
        text,
    )


@register.simple_tag
def bar(value: float, full: float, tone: str = "s1", label: str = "") -> SafeString:
    """A small horizontal bar, value out of full, as SVG (no inline style)."""
    share = min(max(float(value or 0) / float(full or 1), 0), 1)
    return format_html(
        '<svg class="d-bar" viewBox="0 0 100 8" preserveAspectRatio="none" role="img" aria-label="{}">'
        '<rect width="100" height="8" rx="2" class="track"/><rect width="{}" height="8" rx="2" class="{}"/></svg>',
        label or f"{share:.0%}",
        f"{share * 100:.1f}",
        tone,
    )


@register.inclusion_tag("desk/partials/chart.html")
def chart(drawn: charts.Chart | None, table: bool = True) -> dict[str, Any]:
    return {"chart": drawn, "table": table}


@register.simple_tag(takes_context=True)
def query(context: dict[str, Any], **changes: Any) -> str:
    """This page's query string with some parameters changed (None removes one): for paging, sorting, filters."""
    params = context["request"].GET.copy()
    for key, value in changes.items():
        if value is None:
            params.pop(key, None)
        else:
            params[key] = value
    encoded = params.urlencode()
    return f"?{encoded}" if encoded else "?"
