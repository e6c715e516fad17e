"""Numbers and shares as each language writes them, everywhere by the same functions."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from django.template import Context, Template
from django.utils.translation import override

from creditdesk.core.wording import fixed, number, percent, percent_of_100
from scoring.sentences import figure, sentence

NARROW, WIDE = "\u202f", "\u00a0"


@pytest.mark.parametrize(
    ("language", "share", "whole"),
    [
        ("en", "24.5%", "90%"),
        ("it", "24,5%", "90%"),
        ("es", f"24,5{WIDE}%", f"90{WIDE}%"),
        ("fr", f"24,5{WIDE}%", f"90{WIDE}%"),
    ],
)
def test_a_share_carries_its_sign_as_the_language_writes_it(language, share, whole):
    with override(language):
        assert percent(0.2451) == percent(Decimal("0.2451")) == share
        assert percent_of_100(90) == whole
        assert Template("{% load desk %}{{ v|percent }}").render(Context({"v": 0.2451})) == share


def test_a_colon_stays_with_its_label_in_french():
    told = {}
    for language in ("en", "it", "es", "fr"):
        with override(language):
            told[language] = Template("{% load desk %}known{% colon %} 4").render(Context())
    assert told == dict.fromkeys(("en", "it", "es"), "known: 4") | {"fr": f"known{WIDE}: 4"}


def test_no_template_writes_the_colon_after_a_label_itself():
    """Inside of a translated sentence it is the translator's."""
    sentence = re.compile(r"{% blocktranslate.*?(?={% endblocktranslate)|{#.*?#}", re.DOTALL)
    label = re.compile(r"[%}]}(</\w+>)?:[ <]")
    pages = [p for p in Path("templates").rglob("*.html") if "unfold" not in p.parts]
    assert pages and [str(p) for p in pages if label.search(sentence.sub("", p.read_text()))] == []


def test_no_share_is_a_dash():
    assert percent(None) == "—"


def test_a_sentence_writes_its_share_as_a_tile_does():
    day = date(2026, 3, 31)
    assert sentence("overdue_share", 0.2451, day, day).startswith(percent(0.2451) + " of ")
    assert "%%" not in sentence("overdue_share", 0.2451, day, day)


@pytest.mark.parametrize(
    ("language", "expected"), [("en", "1,234.50"), ("it", "1.234,50"), ("fr", f"1{NARROW}234,50")]
)
def test_decimals_are_kept_or_dropped(language, expected):
    with override(language):
        assert fixed(Decimal("1234.5"), 2) == expected
        assert number(0.5) == fixed(0.5, 1)
        assert fixed(Decimal("1234.5"), 2, "en") == "1,234.50"


@pytest.mark.parametrize("language", ["en", "it", "es", "fr", "de"])
@pytest.mark.parametrize("places", [0, 1, 2, 3])
def test_amounts_read_as_babel_writes_them(language, places):
    from babel.numbers import format_decimal

    pattern = "#,##0" + ("." + "0" * places if places else "")
    for value in (
        0,
        7,
        -1,
        1234,
        -9876543,
        12.5,
        2.675,
        1e-7,
        Decimal("0.125"),
        Decimal("-1234567.895"),
        999.995,
    ):
        assert fixed(value, places, language) == format_decimal(value, format=pattern, locale=language)


def test_figures_are_rounded_and_never_cut():
    """38.285 days stood there as 38.2, and a balance just below zero as -0.0 months."""
    day = date(2026, 3, 31)
    assert figure("days_late_12m", 38.285) == "38.3 days"
    assert "is 38.3 days late" in sentence("days_late_12m", 38.285, day, day)
    assert figure("bank_low_balance_90", -0.04) == "0.0 months"
    assert fixed(-0.04, 1) == "0.0" and fixed(-0.4, 1) == "-0.4" and number(-0.001) == "0"
    assert figure("due_count_12m", 1) == "1" and figure("oldest_overdue_days", 1) == "1 day"
    assert figure("relationship_months", 1) == "1 month"
