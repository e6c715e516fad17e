"""One request, one effect, one answer: POST with an Idempotency-Key, however often it is sent.

The effect and its answer are written in one transaction. The first statement of that transaction takes the client's
key (a unique row); the same request sent again meanwhile waits there, and then reads what was answered. If the
process is killed, or the transaction fails, neither effect nor answer nor key remains.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable

from django.db import connection, transaction
from django.http import HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from rest_framework.exceptions import APIException
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from creditdesk.api.models import ApiKey, IdempotentAnswer
from creditdesk.api.problems import Problem, ProblemHandler

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
# Refusals by the rules of the book are answers too. Requests that were never understood (400, 403, 404) are not.
ANSWERS = frozenset({409, 422})

_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_TABLE = IdempotentAnswer._meta.db_table
_TAKE = (
    f"INSERT INTO {_TABLE} (user_id, key, fingerprint, at, status, content_type, location, body) "
    "VALUES (%s, %s, %s, %s, 0, '', '', %s) ON CONFLICT (user_id, key) DO NOTHING RETURNING id"
)


def answer_once(request: Request, act: Callable[[], Response], view: APIView) -> HttpResponse:
    """Run `act` and keep its answer, or give the kept answer again, byte for byte.

    A refusal by the rules (ANSWERS) is kept too, without anything `act` wrote before it; other errors are raised.
    """
    key, fingerprint = _key_of(request), fingerprint_of(request)
    with transaction.atomic(durable=True):
        taken = _take(request.user.pk, key, fingerprint)
        if taken is None:
            return _again(request.user.pk, key, fingerprint)
        try:
            with transaction.atomic():
                answer = act()
        except Exception as error:
            refusal = ProblemHandler(error, {"view": view, "args": (), "kwargs": {}, "request": request})
            known = refusal.convert_known_exceptions(error)
            if not isinstance(known, APIException) or known.status_code not in ANSWERS:
                raise
            answer = refusal.get_response(known, refusal.format_exception(known))
        return _keep(taken, answer)


def _key_of(request: Request) -> str:
    key = request.headers.get(HEADER, "")
    if not _KEY.fullmatch(key):
        raise Problem(
            400,
            "idempotency_key_missing",
            _("Send %(header)s with 1 to 255 printable characters, a new one for each new request.")
            % {"header": HEADER},
        )
    return key


def fingerprint_of(request: Request) -> str:
    """Of everything that makes it this request. The company too: another key of the user may see less."""
    company = request.auth.company_id if isinstance(request.auth, ApiKey) else None
    head = f"{request.method}\n{request.get_full_path()}\n{company}\n"
    return hashlib.sha256(head.encode() + request._request.body).hexdigest()


def _take(user_id: int, key: str, fingerprint: str) -> int | None:
    """The id of the new row, or None when the key was taken. Waits for a transaction that is just taking it."""
    with connection.cursor() as cursor:
        cursor.execute(_TAKE, [user_id, key, fingerprint, timezone.now(), b""])
        row = cursor.fetchone()
    return row[0] if row else None


def _again(user_id: int, key: str, fingerprint: str) -> HttpResponse:
    kept = IdempotentAnswer.objects.get(user_id=user_id, key=key)
    if kept.fingerprint != fingerprint:
        raise Problem(
            422,
            "idempotency_key_reused",
            _("This %(header)s was sent with another request: take a new one.") % {"header": HEADER},
        )
    return _response(bytes(kept.body), kept.status, kept.content_type, kept.location, replayed=True)


def _keep(pk: int, answer: Response) -> HttpResponse:
    body = JSONRenderer().render(answer.data)
    content_type = answer.content_type or "application/json"
    location = answer.headers.get("Location", "")
    IdempotentAnswer.objects.filter(pk=pk).update(
        status=answer.status_code, content_type=content_type, location=location, body=body
    )
    return _response(body, answer.status_code, content_type, location)


def _response(
    body: bytes, status: int, content_type: str, location: str, *, replayed: bool = False
) -> HttpResponse:
    response = HttpResponse(body, status=status, content_type=content_type)
    if location:
        response["Location"] = location
    if replayed:
        response[REPLAYED] = "true"
    return response
