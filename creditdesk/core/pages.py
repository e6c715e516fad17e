"""What every page of the desk asks first: who is there, and may they."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import admin
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.core.paginator import Page, Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.cache import patch_vary_headers

View = Callable[..., HttpResponse]


def desk_page(*permissions: str) -> Callable[[View], View]:
    """For people who work here (staff) and hold every named permission; others get 403, strangers the login."""

    def wrap(view: View) -> View:
        @login_required
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if not request.user.is_staff or not request.user.has_perms(permissions):
                raise PermissionDenied
            return view(request, *args, **kwargs)

        return guarded

    return wrap


def render_page(
    request: HttpRequest,
    template: str,
    context: dict[str, Any],
    partial: str | None = None,
    *,
    status: int = 200,
) -> HttpResponse:
    """The page in its shell, or only `partial` when htmx asks for a part of it (same address, same context)."""
    if partial and request.htmx and not request.htmx.history_restore_request:
        response = render(request, partial, context)
    else:
        response = render(request, template, {**admin.site.each_context(request), **context}, status=status)
    if partial:
        patch_vary_headers(response, ["HX-Request"])
    return response


def paged(request: HttpRequest, rows: Any, size: int = 25) -> Page:
    return Paginator(rows, size).get_page(request.GET.get("page"))
