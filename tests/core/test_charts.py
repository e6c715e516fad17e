"""Charts say in words and figures what they draw, and take no liberty with the page's security policy."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from itertools import pairwise

import pytest
from django.template import Context, Template
from django.utils import translation

from creditdesk.core import charts
from creditdesk.core.money import Money

DAYS = [date(2026, 1, 1), date(2026, 6, 1), date(2026, 11, 1)]


def _every_chart():
    yield charts.line_chart(
        [charts.Series("score", list(zip(DAYS, [40, None, 70], strict=True)))],
        title="Score",
        events=[charts.Event(DAYS[1], "limit <b>cut</b>", "bad")],
        band=[(DAYS[0], 30, 50), (DAYS[2], 60, 80)],
        target=60,
        y_range=(0, 100),
    )
    yield charts.stacked_bars(
        ["Jan", "Feb"], [charts.Series("a", [1, 2]), charts.Series("b", [3, 0])], title="T"
    )
    yield charts.bars(["x"], [5], title="B")
    yield charts.ageing_bars([("not due", 10), ("1-30", 0)], title="Age")
    yield charts.exposure_bar([("open", 116, "s1")], 100, title="Use", cover=30)
    yield charts.sparkline([1, 2, None, 3], title="S")


@pytest.mark.parametrize("number", range(6))
def test_every_chart_is_named_and_carries_no_style_or_script(number):
    svg = list(_every_chart())[number].svg
    assert 'role="img"' in svg
    assert re.search(r"<title id=", svg)
    assert not re.search(r"\sstyle=|<script|\son\w+=", svg)


def test_texts_are_escaped():
    chart = next(_every_chart())
    assert "<b>cut</b>" not in chart.svg
    assert "&lt;b&gt;cut&lt;/b&gt;" in chart.svg


def test_the_table_holds_the_same_figures():
    chart = charts.stacked_bars(["Jan"], [charts.Series("a", [Decimal("1234.5")])], title="T")
    assert chart.rows == [["Jan", "1,234.5"]]
    with translation.override("it"):
        again = charts.stacked_bars(["gen"], [charts.Series("a", [Decimal("1234.5")])], title="T")
    assert again.rows == [["gen", "1.234,5"]]


def test_no_figures_says_so_instead_of_an_empty_frame():
    assert "No figures yet." in charts.line_chart([charts.Series("x", [])], title="T").svg


@pytest.mark.parametrize("low, high", [(0, 1), (0, 87_563), (12, 13), (-5, 5), (40, 40)])
def test_ticks_cover_the_values_in_round_steps(low, high):
    ticks = charts.nice_ticks(low, high)
    assert ticks[0] <= low and ticks[-1] >= high
    assert 2 <= len(ticks) <= 8
    steps = {round(b - a, 9) for a, b in pairwise(ticks)}
    assert len(steps) == 1


def test_exposure_beyond_the_limit_keeps_the_limit_on_the_picture():
    chart = charts.exposure_bar([("open", 116, "s1")], 100, title="Use")
    assert "limit 100" in chart.svg
    assert ["headroom", "0"] in [list(row) for row in chart.rows]


def render(text, **context):
    return (
        Template("{% load desk %}" + text)
        .render(Context(context))
        .replace("\xa0", " ")
        .replace("\u202f", " ")
    )


def test_money_days_and_shares_follow_the_language():
    money = Money(1820050, "EUR")
    assert "18,200.50&nbsp;" in Template("{% load desk %}{% money m %}").render(Context({"m": money}))
    assert render("{{ d|day }}", d=date(2026, 11, 22)) == "22 Nov 2026"
    assert render("{{ m|whole }}", m=money) == "18,200"
    assert render("{{ s|percent }}", s=0.0914) == "9.1%"
    assert render("{{ n|days }}", n=1) == "1 day"
    with translation.override("fr"):
        assert render("{{ d|day }}", d=date(2026, 11, 22)) == "22 nov. 2026"
        assert "18 200,50" in render("{{ m|amount }}", m=money)
        assert render("{{ s|percent }}", s=0.0914) == "9,1 %"


def test_a_badge_has_a_word_and_a_shape_and_escapes():
    text = render('{% badge word "bad" %}', word="<i>late</i>")
    assert "■" in text and "&lt;i&gt;late" in text
    assert "—" in render("{% grade_badge grade %}", grade=None)
    assert ">43<" in render("{% grade_badge grade score %}", grade="D", score=43)


def test_a_single_day_stands_where_the_newest_one_always_stands():
    """A customer's first score stood at the left edge, out of sight on a telephone that shows the newest end."""
    one, two = date(2026, 11, 20), date(2026, 10, 20)

    def dots(points):
        return re.findall(
            r'cx="([\d.]+)"', str(charts.line_chart([charts.Series("x", points)], title="t").svg)
        )

    assert dots([(one, 73)])[-1] == dots([(two, 70), (one, 73)])[-1]
