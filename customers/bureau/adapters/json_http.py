"""Any agency that answers one question with one JSON document, by settings alone: address, pointers, scale.

    {"method": "GET", "url": "https://api.agency.example/v2/companies/{country}/{registration_number}",
     "headers": {"Authorization": "Bearer {secret}", "Idempotency-Key": "{idempotency_key}"},
     "body": {…}, "repeats_safely": true,
     "answer": {"score": "rating/value", "scale": {"from": 600, "to": 100}, "scale_name": "600-100",
                "reference": "id", "date": "rating/date", "not_found": {"at": "status", "is": ["UNKNOWN"]},
                "pd": "rating/pd", "pd_unit": "percent", "days_beyond_terms": "payment/dbt",
                "limit": "limit/amount", "currency": "limit/currency", "currency_is": "EUR",
                "activity": "company/status", "activities": {"ACT": "active", "DIS": "ceased"}}}

How its scale becomes our standing is what `scale` says: a table of words, or a straight line from the worst score to the
best. HTTP 404 means that the agency does not know the customer; no score means that it gives no rating.
"""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl, quote

from django.utils.translation import gettext_lazy

from creditdesk.core.sentences import gettext as _
from customers.bureau import http
from customers.bureau.adapters import AgencyError, Answer, BadAnswer, Question, Refused, Terms
from customers.bureau.reading import DAYS, Document
from customers.bureau.scales import check_scale, describe, line, word
from customers.models import BureauReport

PLACE = re.compile(r"\{([a-z_]+)\}")
PLACES = (
    *("name", "country", "vat_number", "registration_number", "lei", "city", "number", "product"),
    *("idempotency_key", "secret"),
)
KEYS = {"method", "url", "headers", "body", "repeats_safely", "answer"}
POINTERS = ("score", "reference", "date", "pd", "days_beyond_terms", "limit", "currency", "activity")
ANSWER_KEYS = {
    *(*POINTERS, "scale", "scale_name", "not_found", "pd_unit", "currency_is", "activities"),
}
PD_UNITS = ("share", "percent", "basis_points")
# Names under which secrets are sent, without their dashes.
SECRET_NAME = re.compile(
    r"authorization|token(?!type)|secret|passw|pwd$|cookie|credential|signature$|^x?auth$|^sig$|^x?key$"
    r"|(api|access|auth|client|licen[cs]e|subscription|private|user|customer|account)key$"
)
IDENTIFIERS = {"vat_number", "registration_number", "lei", "number", "name"}


class JsonHttp:
    label = gettext_lazy("one question, one JSON answer, by settings")
    needs_secret = False

    def repeats(self, settings: dict[str, Any]) -> bool:
        return bool(settings.get("repeats_safely"))

    def check(self, settings: dict[str, Any]) -> list[str]:
        problems = _unknown("", settings, KEYS)
        if settings.get("method", "GET") not in ("GET", "POST"):
            problems.append(_("method: GET or POST is wanted."))
        url = settings.get("url")
        if not isinstance(url, str) or not url:
            problems.append(_("url: the address to ask is missing."))
        else:
            problems += _check_url(url)
        headers = settings.get("headers", {})
        if not _is_words(headers):
            problems.append(_("headers: each is a text."))
        problems += _check_secrets(settings)
        used = _places([url, settings.get("headers"), settings.get("body")])
        if strange := sorted(used - set(PLACES)):
            problems.append(
                _("Unknown places %(unknown)s; known are %(known)s.")
                % {"unknown": ", ".join(strange), "known": ", ".join(PLACES)}
            )
        if not used & IDENTIFIERS:
            problems.append(
                _("Neither address nor body says whom we ask about: use {vat_number} or another identifier.")
            )
        return problems + _check_answer(settings.get("answer"))

    def scale(self, settings: dict[str, Any]) -> str:
        scale = settings.get("answer", {}).get("scale")
        return describe(scale) if scale and not check_scale(scale) else ""

    def ask(self, question: Question, terms: Terms) -> Answer:
        settings = terms.settings
        values = {**question.known(), "secret": terms.secret}
        wanted = _places([settings["url"], settings.get("body")]) & (IDENTIFIERS | {"country"})
        if missing := sorted(name for name in wanted if not values[name]):
            raise Refused(
                _("The customer record lacks %(fields)s, by which this agency is asked: add it.")
                % {"fields": ", ".join(missing)}
            )
        reply = http.ask(
            settings.get("method", "GET"),
            PLACE.sub(lambda found: quote(values[found[1]], safe=""), settings["url"]),
            headers={name: _header(text, values) for name, text in settings.get("headers", {}).items()},
            body=_filled(settings["body"], values) if "body" in settings else None,
            seconds=terms.seconds,
        )
        if reply.status == 404:
            return Answer(BureauReport.Outcome.NOT_FOUND, payload=reply.text)
        try:
            return self._read(Document(reply.json()), settings["answer"], question.as_of, reply.text)
        except AgencyError as error:
            error.payload = reply.text
            raise

    def read(self, text: str, settings: dict[str, Any], as_of: date) -> Answer:
        return self._read(Document(http.Reply(200, text.encode()).json()), settings["answer"], as_of, text)

    def _read(self, document: Document, mapping: dict[str, Any], as_of: date, payload: str) -> Answer:
        if not isinstance(document.data, dict):
            raise BadAnswer("", _("a JSON object was expected"))
        missing = mapping.get("not_found")
        if missing and document.text(missing["at"]) in missing["is"]:
            return Answer(BureauReport.Outcome.NOT_FOUND, payload=payload)
        standing, raw = _standing(document, mapping)
        currency = (
            mapping.get("currency_is")
            or ("currency" in mapping and document.text(mapping["currency"], 3))
            or ""
        )
        limit = document.money(mapping["limit"], currency) if "limit" in mapping else None
        return Answer(
            BureauReport.Outcome.UNRATED if standing is None else BureauReport.Outcome.RATED,
            payload=payload,
            reference=document.text(mapping["reference"]) if "reference" in mapping else "",
            effective_on=document.day(mapping["date"], as_of) if "date" in mapping else None,
            standing=standing,
            raw_score=raw,
            raw_scale=mapping.get("scale_name", ""),
            pd_basis_points=document.basis_points(mapping["pd"], mapping.get("pd_unit", "share"))
            if "pd" in mapping
            else None,
            days_beyond_terms=document.whole(mapping["days_beyond_terms"], *DAYS)
            if "days_beyond_terms" in mapping
            else None,
            recommended_limit=limit,
            currency=currency if limit is not None else "",
            activity=mapping.get("activities", {}).get(document.text(mapping["activity"]), "unknown")
            if "activity" in mapping
            else "unknown",
        )


def _standing(document: Document, mapping: dict[str, Any]) -> tuple[int | None, str]:
    pointer, scale = mapping["score"], mapping["scale"]
    raw = document.text(pointer, 40)
    if not raw:
        return None, ""
    if "table" in scale:
        return word(raw, scale["table"], pointer), raw
    number = document.number(pointer)
    if number is None:
        return None, ""
    return line(number, Decimal(str(scale["from"])), Decimal(str(scale["to"])), pointer), raw


def _check_url(url: str) -> list[str]:
    start = PLACE.split(url.split("://", 1)[-1].split("/", 1)[0])
    if len(start) > 1:
        return [_("url: the host is fixed; places stand only behind it.")]
    try:
        http.checked_address(PLACE.sub("x", url))
    except AgencyError as error:
        return [f"url: {error}"]
    return []


def _check_secrets(settings: dict[str, Any]) -> list[str]:
    """Settings are read by many and kept in the audit trail for good: a secret written there is refused."""
    url = settings.get("url")
    query = parse_qsl(url.partition("?")[2].partition("#")[0]) if isinstance(url, str) else []
    named = [("headers", *pair) for pair in _texts(settings.get("headers"))]
    named += [("url", *pair) for pair in query]
    named += [("body", *pair) for pair in _texts(settings.get("body"))]
    return [
        _("%(where)s, %(name)s: secrets are not written here; write {secret}, and name where it is kept.")
        % {"where": where, "name": name}
        for where, name, text in named
        if SECRET_NAME.search(re.sub("[^a-z0-9]", "", name.lower()))
        and "{secret}" not in text
        and PLACE.sub("", text).strip()
    ]


def _texts(value: Any, name: str = "") -> list[tuple[str, str]]:
    """Each value of a JSON document as text, with the name it stands under."""
    if isinstance(value, dict):
        return [pair for key, one in value.items() for pair in _texts(one, str(key))]
    if isinstance(value, list):
        return [pair for one in value for pair in _texts(one, name)]
    return [(name, str(value))] if isinstance(value, str | int | float) and value is not False else []


def _check_answer(mapping: Any) -> list[str]:
    if not isinstance(mapping, dict):
        return [_("answer: says where in the answer the score is.")]
    problems = _unknown("answer.", mapping, ANSWER_KEYS)
    problems += [
        _("answer.%(key)s: a pointer is a text, like rating/value.") % {"key": key}
        for key in POINTERS
        if key in mapping and (not isinstance(mapping[key], str) or not mapping[key])
    ]
    if "score" not in mapping:
        problems.append(_("answer.score: the pointer to the score is missing."))
    problems += [f"answer.{text}" for text in check_scale(mapping.get("scale"))]
    if mapping.get("pd_unit", "share") not in PD_UNITS:
        problems.append(_("answer.pd_unit: share, percent or basis_points is wanted."))
    if "limit" in mapping and not ("currency" in mapping or mapping.get("currency_is")):
        problems.append(
            _("answer.limit: say its currency too, by currency (a pointer) or currency_is (EUR).")
        )
    activities = mapping.get("activities", {})
    known = BureauReport.Activity.values
    if not _is_words(activities) or not set(activities.values()) <= set(known):
        problems.append(
            _("answer.activities: each word of the agency is one of %(known)s.") % {"known": ", ".join(known)}
        )
    missing = mapping.get("not_found")
    if missing is not None and not (
        isinstance(missing, dict)
        and set(missing) == {"at", "is"}
        and isinstance(missing["at"], str)
        and isinstance(missing["is"], list)
    ):
        problems.append(_('answer.not_found: {"at": pointer, "is": [words]} is wanted.'))
    for key, most in (("scale_name", 80), ("currency_is", 3)):
        if not isinstance(mapping.get(key, ""), str) or len(mapping.get(key, "")) > most:
            problems.append(
                _("answer.%(key)s: a text of at most %(most)s characters.") % {"key": key, "most": most}
            )
    return problems


def _unknown(where: str, found: Any, known: set[str]) -> list[str]:
    strange = sorted(set(found) - known)
    return [
        _("%(where)s%(key)s: unknown; known are %(known)s.")
        % {"where": where, "key": key, "known": ", ".join(sorted(known))}
        for key in strange
    ]


def _is_words(found: Any) -> bool:
    return isinstance(found, dict) and all(isinstance(text, str) for text in (*found, *found.values()))


def _places(value: Any) -> set[str]:
    if isinstance(value, str):
        return set(PLACE.findall(value))
    if isinstance(value, dict):
        value = [*value.values()]
    return set().union(*map(_places, value)) if isinstance(value, list) else set()


def _filled(value: Any, values: dict[str, str]) -> Any:
    if isinstance(value, str):
        return PLACE.sub(lambda found: values[found[1]], value)
    if isinstance(value, dict):
        return {key: _filled(one, values) for key, one in value.items()}
    return [_filled(one, values) for one in value] if isinstance(value, list) else value


def _header(text: str, values: dict[str, str]) -> str:
    filled = _filled(text, values)
    if any(ord(char) < 32 or ord(char) > 126 for char in filled):
        raise Refused(_("A header holds characters that no header may: correct the settings or the secret."))
    return filled
