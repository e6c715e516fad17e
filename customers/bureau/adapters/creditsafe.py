"""Creditsafe Connect (REST, https://doc.creditsafe.com): authenticate, find the company, read its report.

POST /authenticate {username, password} -> {token}; GET /companies?countries=IT&vatNo=… (or regNo) -> companies[].id;
GET /companies/{id} -> report.creditScore.currentCreditRating. The token goes into the Authorization header.

Standing: the agency's own score (providerValue) on the straight line between its stated minimum and maximum; where it
states none, the international band commonValue: A (very low risk) 90, B (low) 70, C (moderate) 45, D (high) 15. Band E is
"not scored": unrated. The limit is currentCreditRating.creditLimit; days beyond terms paymentData.dbt. The agency's
probability of default is not read: its unit is not documented in public.

Settings: {"environment": "production" | "sandbox", "username": "…"}; the secret is the password. The interface knows
no idempotency key: a question broken off in between is shown as doubtful, and may have been charged.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any
from urllib.parse import quote, urlencode

from django.utils.translation import gettext_lazy

from creditdesk.core.sentences import gettext as _
from creditdesk.core.sentences import sentence_of
from customers.bureau import http
from customers.bureau.adapters import AgencyError, Answer, BadAnswer, Question, Refused, Terms, Unavailable
from customers.bureau.reading import DAYS, Document
from customers.bureau.scales import line, word
from customers.models import BureauReport

BASES = {
    "production": "https://connect.creditsafe.com/v1",
    "sandbox": "https://connect.sandbox.creditsafe.com/v1",
}
BANDS: dict[str, int | None] = {"A": 90, "B": 70, "C": 45, "D": 15, "E": None}
RATING = "report/creditScore/currentCreditRating"
STATUS = "report/companySummary/companyStatus/status"
ACTIVITIES = {"active": "active", "nonactive": "ceased", "non-active": "ceased", "inactive": "ceased"}


class Creditsafe:
    label = gettext_lazy("Creditsafe Connect")
    needs_secret = True

    def repeats(self, settings: dict[str, Any]) -> bool:
        return False

    def check(self, settings: dict[str, Any]) -> list[str]:
        problems: list[str] = []
        if set(settings) - {"environment", "username", "base"}:
            problems.append(_("Known settings are environment, username and base."))
        if settings.get("environment", "production") not in BASES:
            problems.append(_("environment: production or sandbox is wanted."))
        if not isinstance(settings.get("username"), str) or not settings["username"]:
            problems.append(_("username: that of the account at the agency is missing."))
        if "base" in settings:
            try:
                http.checked_address(str(settings["base"]))
            except AgencyError as error:
                problems.append(f"base: {error}")
        return problems

    def scale(self, settings: dict[str, Any]) -> str:
        return _(
            "Its own score on the line between its stated minimum and maximum; without them its band: "
            "A = 90, B = 70, C = 45, D = 15; E is not rated."
        )

    def ask(self, question: Question, terms: Terms) -> Answer:
        base = str(
            terms.settings.get("base") or BASES[terms.settings.get("environment", "production")]
        ).rstrip("/")
        each = terms.seconds / 3
        login = {"username": terms.settings["username"], "password": terms.secret}
        search = _search(question)
        with _before_the_report():
            token = Document(http.ask("POST", f"{base}/authenticate", body=login, seconds=each).json()).text(
                "token", 8000
            )
            if not token or not token.isascii():
                raise BadAnswer("token", _("no token came back: check user name and password"))
            headers = {"Authorization": token}
            found = http.ask("GET", f"{base}/companies?{search}", headers=headers, seconds=each)
            company = "" if found.status == 404 else _company(Document(found.json()), question)
        if not company:
            return Answer(BureauReport.Outcome.NOT_FOUND, payload=found.text)
        reply = http.ask("GET", f"{base}/companies/{quote(company, safe='')}", headers=headers, seconds=each)
        if reply.status == 404:
            return Answer(BureauReport.Outcome.NOT_FOUND, payload=reply.text)
        try:
            return self.read(reply.text, terms.settings, question.as_of)
        except AgencyError as error:
            error.payload = reply.text
            raise

    def read(self, text: str, settings: dict[str, Any], as_of: date) -> Answer:
        document = Document(http.Reply(200, text.encode()).json())
        if not isinstance(document.at("report"), dict):
            raise BadAnswer("report", _("there is no report in the answer"))
        standing, raw, scale = _standing(document)
        currency = document.text(f"{RATING}/creditLimit/currency", 3)
        limit = document.money(f"{RATING}/creditLimit/value", currency) if currency else None
        return Answer(
            BureauReport.Outcome.UNRATED if standing is None else BureauReport.Outcome.RATED,
            payload=text,
            reference=document.text("report/companyId") or document.text("orderId"),
            effective_on=document.day("report/creditScore/latestRatingChangeDate", as_of),
            standing=standing,
            raw_score=raw,
            raw_scale=scale,
            days_beyond_terms=document.whole("report/paymentData/dbt", *DAYS),
            recommended_limit=limit,
            currency=currency if limit is not None else "",
            activity=ACTIVITIES.get(document.text(STATUS).lower(), "unknown"),
        )


@contextmanager
def _before_the_report() -> Iterator[None]:
    """What goes wrong before the report is asked for costs nothing."""
    try:
        yield
    except Unavailable as error:
        error.was_sent = False
        raise
    except BadAnswer as error:
        raise Refused(sentence_of(error), payload=error.payload) from error


def _search(question: Question) -> str:
    if not question.country:
        raise Refused(_("The customer record lacks the country, by which this agency is asked: add it."))
    if question.vat_number:
        return urlencode({"countries": question.country, "vatNo": question.vat_number})
    if question.registration_number:
        return urlencode({"countries": question.country, "regNo": question.registration_number})
    raise Refused(
        _("The customer record lacks VAT and registration number, by which this agency is asked: add one.")
    )


def _company(document: Document, question: Question) -> str:
    """The id of the one company found. More than one is nobody: a report on somebody else is worse than none."""
    found = document.at("companies")
    if not isinstance(found, list):
        raise BadAnswer("companies", _("a list was expected"))
    ids = {Document(one).text("id", 100) for one in found if isinstance(one, dict)} - {""}
    if len(ids) > 1:
        raise BadAnswer(
            "companies",
            _("%(count)s companies have this number: correct the customer record") % {"count": len(ids)},
        )
    return next(iter(ids), "")


def _standing(document: Document) -> tuple[int | None, str, str]:
    band = document.text(f"{RATING}/commonValue", 10)
    raw = document.text(f"{RATING}/providerValue/value", 40)
    worst, best = (document.number(f"{RATING}/providerValue/{end}") for end in ("minValue", "maxValue"))
    if band == "E" or not (band or raw):
        return None, "", ""
    try:
        value = document.number(f"{RATING}/providerValue/value")
    except BadAnswer:
        value = None  # some countries write words
    if value is not None and worst is not None and best is not None and worst != best:
        return line(value, worst, best, f"{RATING}/providerValue/value"), raw, f"{worst}-{best}"
    return word(band, BANDS, f"{RATING}/commonValue"), band, "A-E"
