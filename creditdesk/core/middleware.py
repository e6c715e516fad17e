"""What every response carries beyond Django's and django-csp's own headers, and the language it speaks."""

from collections.abc import Callable

from csp.constants import UNSAFE_EVAL, UNSAFE_INLINE
from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse
from django.utils import translation

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
