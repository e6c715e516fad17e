"""Answers recorded beforehand, for demonstrations and for trying the waterfall: nothing goes over the network.

Settings: {"answers": "arcadia"}, the name of a file recorded/<name>.json beside this module: {customer number:
{"answer": {…}, "age_days": 4, "past": […]}}. The assessment is dated so many days before the question; `past` is what
the agency said before (creditdesk/demo/agencies.py); an answer null stands for an agency that does not answer.
The standing is the recorded score itself: these agencies are made up, and the page says that they are.
"""

from __future__ import annotations

import json
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from django.conf import settings as django_settings
from django.utils.translation import gettext_lazy

from creditdesk.core.sentences import gettext as _
from customers.bureau.adapters import Answer, Question, Refused, Terms, Unavailable
from customers.bureau.adapters.json_http import JsonHttp
from customers.models import BureauReport

FOLDER = Path(__file__).resolve().parent / "recorded"
MAPPING = {
    "score": "score/value",
    "scale_name": "0-100",
    "scale": {"from": 0, "to": 100},
    "reference": "id",
    "date": "date",
    "pd": "score/pd",
    "pd_unit": "percent",
    "days_beyond_terms": "payments/days_beyond_terms",
    "limit": "limit/amount",
    "currency": "limit/currency",
    "activity": "status",
    "activities": {"active": "active", "dormant": "dormant", "ceased": "ceased"},
}


class Recorded:
    label = gettext_lazy("recorded answers (demonstration)")
    needs_secret = False

    def repeats(self, settings: dict[str, Any]) -> bool:
        return True

    def check(self, settings: dict[str, Any]) -> list[str]:
        if django_settings.PRODUCTION:
            return [_("Recorded answers are for demonstrations: choose an agency's own adapter.")]
        name = settings.get("answers")
        if name not in available():
            return [_("answers: one of %(known)s is wanted.") % {"known": ", ".join(available())}]
        return []

    def scale(self, settings: dict[str, Any]) -> str:
        return _("Recorded answers of a made-up agency: its score from 0 to 100 is the standing itself.")

    def ask(self, question: Question, terms: Terms) -> Answer:
        if django_settings.PRODUCTION:
            raise Refused(_("Recorded answers are for demonstrations: choose an agency's own adapter."))
        kept = recordings(terms.settings["answers"]).get(question.number)
        if kept is None:
            return Answer(BureauReport.Outcome.NOT_FOUND)
        if kept["answer"] is None:
            raise Unavailable(_("The recording is of an agency that did not answer."))
        on = question.as_of - timedelta(days=kept["age_days"])
        return self.read(
            json.dumps({**kept["answer"], "date": on.isoformat()}), terms.settings, question.as_of
        )

    def read(self, text: str, settings: dict[str, Any], as_of: date) -> Answer:
        return JsonHttp().read(text, {"answer": MAPPING}, as_of)


def available() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.json"))


@cache
def recordings(name: str) -> dict[str, dict[str, Any]]:
    if name not in available():
        return {}
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
