"""The reader's language: chosen once per person, followed by every page."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_POST
from django.views.i18n import set_language as set_cookie_language


@require_POST
def set_language(request: HttpRequest) -> HttpResponse:
    """Django's own view (cookie, safe redirect), and the choice kept with the person."""
    response = set_cookie_language(request)
    code = request.POST.get("language", "")
    if request.user.is_authenticated and code in dict(settings.LANGUAGES) and request.user.language != code:
        request.user.language = code
        request.user.save(update_fields=["language"])
    return response
