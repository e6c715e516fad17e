"""What every response carries beyond Django's and django-csp's own headers, and the language it speaks."""

import logging
from collections.abc import Callable

from csp.constants import UNSAFE_EVAL, UNSAFE_INLINE
from django.conf import settings
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils import translation

from creditdesk.core.refusals import refusal_of

logger = logging.getLogger(__name__)

GetResponse = Callable[[HttpRequest], HttpResponseBase]


def admin_content_security_policy(get_response: GetResponse) -> GetResponse:
    """Relax the policy for pages in the admin's shell only; placed after CSPMiddleware, which applies the update.

    The admin theme's scripts (Alpine) evaluate expressions from attributes and set inline styles. Every page
    of the desk stands in that shell; health checks, the API and everything else keep the strict policy.
    """
    relaxed = {"script-src": [UNSAFE_EVAL], "style-src": [UNSAFE_INLINE]}

    def middleware(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        if request.path == "/" or request.path.startswith((reverse("admin:index"), "/desk/")):
            response._csp_update = relaxed  # type: ignore[attr-defined]
        return response

    return middleware


def permissions_policy(get_response: GetResponse) -> GetResponse:
    """Switch off the browser features named in settings.PERMISSIONS_POLICY_OFF for pages and their frames."""
    header = ", ".join(f"{feature}=()" for feature in settings.PERMISSIONS_POLICY_OFF)

    def middleware(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        response.headers.setdefault("Permissions-Policy", header)
        return response

    return middleware


def user_language(get_response: GetResponse) -> GetResponse:
    """A signed-in person's own language wins over the browser's; placed after AuthenticationMiddleware."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        language = getattr(request.user, "language", "")  # anonymous users have none
        if language and translation.check_for_language(language):
            translation.activate(language)
            request.LANGUAGE_CODE = translation.get_language()
        return get_response(request)

    return middleware


class DatabaseRefusals:
    """A change that a guard of the database refused answers 409 with its sentence, not "something failed"."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        text = refusal_of(exception) if isinstance(exception, DatabaseError) else ""
        if not text:
            return None
        logger.warning("Refused by the database at %s: %s", request.path, exception)
        return render(request, "desk/errors/409.html", {"text": text}, status=409)
