"""Every refusal as RFC 9457 problem details, said in the language the client asks for (Accept-Language)."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from django.core.exceptions import RequestDataTooBig
from django.db import DatabaseError
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from drf_standardized_errors.formatter import ExceptionFormatter
from drf_standardized_errors.handler import ExceptionHandler
from drf_standardized_errors.types import ErrorResponse
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.response import Response

from creditdesk.core.refusals import refusal_of
from customers.approval_rules import ApprovalError
from customers.rates import MissingRate

CONTENT_TYPE = "application/problem+json"
CATALOGUE = "/api/v1/problems"

# code -> title. The title of a kind of problem never changes from one occurrence to the next.
TITLES: dict[str, Promise] = {
    "invalid": _("What was sent is not valid"),
    "contradiction": _("What was sent contradicts itself"),
    "cursor_unknown": _("There is no such page"),
    "parse_error": _("What was sent is not JSON"),
    "not_authenticated": _("No key was sent"),
    "authentication_failed": _("The key does not work"),
    "scope_missing": _("The key may not do this"),
    "permission_missing": _("The user of the key may not do this"),
    "not_found": _("There is no such thing among what the key may see"),
    "method_not_allowed": _("This address does not know the method"),
    "not_acceptable": _("Answers are JSON"),
    "unsupported_media_type": _("What is sent must be JSON"),
    "too_large": _("What was sent is too large"),
    "throttled": _("Too many requests"),
    "error": _("Something failed here"),
    "idempotency_key_missing": _("A POST needs an Idempotency-Key"),
    "idempotency_key_reused": _("The Idempotency-Key belongs to another request"),
    "refused": _("The rules of the book refuse this"),
    "future": _("A day that has not come"),
    "rate_missing": _("There is no exchange rate"),
    "customer_unknown": _("No such customer"),
    "account_ambiguous": _("The customer has several credit accounts"),
    "company_ambiguous": _("Companies that sell to the customer have different dates now"),
    "amount_not_positive": _("An amount of zero"),
    "reserve_only_orders": _("Headroom is reserved for orders only"),
    "joined": _("The customer was merged into another"),
    "unknown_account": _("No such credit account"),
    "place_unknown": _("No such company, segment or portfolio"),
    "not_base64": _("The content is not Base64"),
    "application_known_customer": _("The prospect is a customer already"),
    **{
        f"application_{code}": _("The application cannot be taken in or moved on")
        for code in (
            "running",
            "ended",
            "amount",
            "currency",
            "no_name",
            "portfolio",
            "state",
            "no_reason",
            "number",
        )
    },
    **{
        f"document_{code}": _("The document is not taken")
        for code in ("empty", "too_large", "too_many", "bad_type", "not_what_it_says", "known", "over")
    },
    **{
        f"agency_report_{code}": _("No credit agency is asked")
        for code in ("no_basis", "usable", "no_agency", "closed")
    },
    "consent_refused": _("The consent cannot be recorded or revoked"),
    "reservation_conflict": _("The reference stands for another business"),
    "reservation_not_active": _("The reservation is not active"),
    "reservation_bad_amount": _("The reservation is not valid"),
    "reservation_bad_expiry": _("The reservation is not valid"),
    "reservation_bad_reference": _("The reservation is not valid"),
    # Refusals of limit changes (customers/approval_rules.py).
    "not_allowed": _("The user of the key may not do this"),
    "out_of_scope": _("The account is outside what the key may see"),
    "already_waiting": _("A limit change is waiting already"),
    "decided": _("The limit change was decided already"),
    "same_amount": _("The limit is that already"),
    "negative": _("An amount below zero"),
    "wrong_currency": _("Another currency than the account's"),
    "dates": _("The dates of a temporary limit do not fit"),
}


class Problem(APIException):
    """A refusal with a status, a code of TITLES, a sentence for this occurrence and, where useful, further members."""

    def __init__(self, status: int, code: str, detail: str | Promise, **members: Any) -> None:
        super().__init__(str(detail), code)
        self.status_code = status
        self.members = members


class QueryError(ValidationError):
    """A parameter of the address that is not valid."""


class Unprocessable(ValidationError):
    """A body that fits the schema, and contradicts itself."""

    status_code = 422


def decision_code(error: Any) -> str:
    """The code of TITLES for a refusal of scoring.decisions.DecisionError."""
    return {"currency": "wrong_currency", "amount": "amount_not_positive"}.get(error.code, error.code)


class ProblemFormatter(ExceptionFormatter):
    def format_error_response(self, error_response: ErrorResponse) -> dict[str, Any]:
        errors = error_response.errors
        status = self.exc.status_code
        is_invalid = isinstance(self.exc, ValidationError)
        code = errors[0].code
        if is_invalid:
            code = "contradiction" if isinstance(self.exc, Unprocessable) else "invalid"
        title = TITLES.get(code)
        problem: dict[str, Any] = {
            "type": f"{CATALOGUE}#{code}" if title else "about:blank",
            "title": str(title or HTTPStatus(status).phrase),
            "status": status,
            "detail": " ".join(dict.fromkeys(error.detail for error in errors)),
            "code": code,
        }
        request = self.context.get("request")
        if request is not None:
            problem["instance"] = quote(request.path)
        if is_invalid:
            where = "parameter" if isinstance(self.exc, QueryError) else "pointer"
            problem["errors"] = [
                {"detail": error.detail, "code": error.code, where: _place(error.attr, where)}
                for error in errors
            ]
        return problem | getattr(self.exc, "members", {})


def _place(attr: str | None, where: str) -> str:
    """The name of a query parameter, or the JSON pointer (as a URI fragment) of a field of the body."""
    name = "" if attr in (None, "non_field_errors") else str(attr)
    return name if where == "parameter" else f"#/{name}" if name else "#"


class ProblemHandler(ExceptionHandler):
    """Errors of the rules become problems; anything else is a 500 that says nothing of the inside."""

    def convert_known_exceptions(self, exc: Exception) -> Exception:
        if isinstance(exc, ApprovalError):
            status = 403 if exc.code in ("not_allowed", "out_of_scope") else 409
            change = {"limit_change": exc.change.pk} if exc.change is not None else {}
            return Problem(status, exc.code, str(exc), **change)
        if isinstance(exc, MissingRate):
            return Problem(409, "rate_missing", str(exc))
        if isinstance(exc, RequestDataTooBig):
            return Problem(413, "too_large", _("Send less at once: divide it into several requests."))
        if isinstance(exc, DatabaseError) and (text := refusal_of(exc)):
            return Problem(409, "refused", text)
        return super().convert_known_exceptions(exc)

    def get_response(self, exc: APIException, data: dict[str, Any]) -> Response:
        headers = self.get_headers(exc)
        return Response(data, status=exc.status_code, headers=headers, content_type=CONTENT_TYPE)
