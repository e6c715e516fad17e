"""Pages by cursor: rows added or changed meanwhile are neither shown twice nor left out."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _
from rest_framework.exceptions import NotFound
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request

from creditdesk.api.problems import Problem


class CursorPages(CursorPagination):
    """ordering must be a unique column: `view.ordering`. The size was validated with the query (PageQuery)."""

    page_size_query_param = "limit"
    page_size = 50
    max_page_size = 200

    def get_ordering(self, request: Request, queryset: Any, view: Any) -> tuple[str, ...]:
        return (view.ordering,)

    def decode_cursor(self, request: Request) -> Any:
        wrong = Problem(
            404, "cursor_unknown", _("This cursor was not made here: take it from `next` or `previous`.")
        )
        try:
            cursor = super().decode_cursor(request)
        except NotFound as error:
            raise wrong from error
        if cursor is not None and cursor.position is not None and not str(cursor.position).isdecimal():
            raise wrong
        return cursor
