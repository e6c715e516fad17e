"""Answers recorded beforehand, for demonstrations and for trying the waterfall: nothing goes over the network.

Settings: {"answers": "demo", "miss": "not_found"}. `answers` names a file recorded/<name>.json beside this module:
{customer number: [{"since": "2025-01-01", "answer": {…}}, …]}; the newest recording not after the day is given.
The standing is the recorded score itself: these agencies are made up, and the page says that they are.
"""

from __future__ import annotations

import json
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from customers.bureau.adapters import Answer, Question, Terms, Unavailable
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
        name = settings.get("answers")
        if name not in available():
            return [_("answers: one of %(known)s is wanted.") % {"known": ", ".join(available())}]
        return []

    def scale(self, settings: dict[str, Any]) -> str:
        return _("Recorded answers of a made-up agency: its score from 0 to 100 is the standing itself.")

    def ask(self, question: Question, terms: Terms) -> Answer:
        kept = recordings(terms.settings["answers"]).get(question.number, [])
        past = [one for one in kept if one["since"] <= question.as_of.isoformat()]
        if not past:
            return Answer(BureauReport.Outcome.NOT_FOUND, payload="")
        newest = max(past, key=lambda one: one["since"])
        if newest["answer"] is None:
            raise Unavailable(_("The recording is of an agency that did not answer."))
        return self.read(json.dumps(newest["answer"]), terms.settings, question.as_of)

    def read(self, text: str, settings: dict[str, Any], as_of: date) -> Answer:
        return JsonHttp().read(text, {"answer": MAPPING}, as_of)


def available() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.json"))


@cache
def recordings(name: str) -> dict[str, list[dict[str, Any]]]:
    if name not in available():
        return {}
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
