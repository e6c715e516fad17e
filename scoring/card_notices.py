"""What people are told of scorecards: the one in use no longer meets a gate of publishing. How: core/notices.py."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from creditdesk.core.models import MailMode, Notice
from creditdesk.core.notices import Line, Topic, register, tell
from customers.people import staff_with
from scoring.models import Scorecard
from scoring.publishing import PROPOSE, PUBLISH

GATE = "card_gate"
VIEW = "scoring.view_scorecard"


def tell_of_gates(card: Scorecard, month: date, codes: Sequence[str], as_of: date) -> None:
    """In the transaction that keeps the month's report; a month is told of once, however often it is measured."""
    for code in codes:
        key = f"card gate:{card.pk}:{month:%Y-%m}:{code}"
        tell(GATE, key, on=as_of, about={"card": card.pk, "code": code, "month": f"{month:%Y-%m}"})


def _people(notices: Sequence[Notice], today: date) -> dict[int, set[int]]:
    who = (staff_with(PROPOSE) | staff_with(PUBLISH)) & staff_with(VIEW)
    return {notice.pk: set(who) for notice in notices}


def _lines(notices: Sequence[Notice]) -> dict[int, Line]:
    """Of cards still in use: another one is measured on its own."""
    rows = Scorecard.objects.filter(
        pk__in={n.about["card"] for n in notices}, status=Scorecard.Status.ACTIVE
    ).only("name", "version")
    cards = {card.pk: card for card in rows}
    texts = {
        "gini": _("%(card)s: in %(month)s it parted good from bad less than asked for publishing (Gini)"),
        "psi": _("%(card)s: in %(month)s its scores had moved further than allowed for publishing (PSI)"),
    }
    return {
        notice.pk: Line(
            texts[notice.about["code"]]
            % {"card": cards[notice.about["card"]], "month": notice.about["month"]},
            reverse("scorecards:monitoring"),
            notice.about["month"],
        )
        for notice in notices
        if notice.about["card"] in cards
    }


def register_topics() -> None:
    register(
        Topic(
            GATE,
            gettext_lazy("The scorecard in use misses a gate"),
            MailMode.DIGEST,
            VIEW,
            _people,
            _lines,
            "scorecards:monitoring",
        )
    )
