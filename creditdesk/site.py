"""The admin site: unfold's, without the cost of a menu nobody sees."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.contrib import admin
from django.contrib.admin import sites
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject
from unfold.sites import UnfoldAdminSite


class DeskSite(UnfoldAdminSite):
    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> Any:
        # Every page's context carries the list of all models with this user's permissions (a fifth of a page's
        # time), and our menu (creditdesk/navigation.py) takes its place: worked out only where it is read.
        return SimpleLazyObject(lambda: super(DeskSite, self).get_app_list(request, app_label))


class UnfoldConfig(AppConfig):
    """In the place of unfold's own configuration, which does the same with its own site."""

    name = "unfold"

    def ready(self) -> None:
        admin.site = sites.site = DeskSite()
