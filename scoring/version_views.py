"""What the pages of every kind of version share: its life as buttons, and who may press which. No rules here."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any, Generic

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from creditdesk.core.clock import business_date
from creditdesk.core.pages import desk_page
from scoring.card_forms import ReasonForm
from scoring.versions import Life, Status, V, VersionError

Act = Callable[[HttpRequest, Any], tuple[str | Promise, int | None]]


class VersionPages(Generic[V]):
    """The pages of one kind. `namespace` of its urls, `page` the name of a version's own page among them.

    Of a refusal only "not_allowed" is a 403; every other one is told on the version's page. refusals: what else of
    the rules is told so.
    """

    refusals: tuple[type[Exception], ...] = (VersionError,)
    related: tuple[str, ...] = ("created_by", "proposed_by", "decided_by", "based_on")
    prefetched: tuple[str, ...] = ("reports",)
    sent_back: str | Promise
    published: str | Promise
    copied: str | Promise

    def __init__(self, life: Life[V], namespace: str, page: str) -> None:
        self.life, self.namespace, self.page_name = life, namespace, page
        self.view_permission = f"scoring.view_{life.model._meta.model_name}"
        self.copy, self.delete = self.acting(self._copy), self.acting(self._delete)
        self.propose, self.send_back = self.acting(self._propose), self.acting(self._send_back)
        self.publish = self.acting(self._publish)

    def load(self, pk: int) -> V:
        rows = self.life.model._default_manager.select_related(*self.related)
        return get_object_or_404(rows.prefetch_related(*self.prefetched), pk=pk)

    def acting(self, act: Act) -> Callable[..., HttpResponse]:
        """A POST that does one thing to a version: success says what happened, a refusal says why."""

        @desk_page(self.view_permission)
        @require_POST
        def view(request: HttpRequest, pk: int) -> HttpResponse:
            version = self.load(pk)
            try:
                told, target = act(request, version)
            except self.refusals as error:
                if getattr(error, "code", "") == "not_allowed":
                    raise PermissionDenied(str(error)) from error
                messages.error(request, str(error))
                return redirect(f"{self.namespace}:{self.page_name}", pk)
            messages.success(request, told)
            if target is None:
                return redirect(f"{self.namespace}:list")
            return redirect(f"{self.namespace}:{self.page_name}", target)

        return view

    def standing(self, request: HttpRequest, version: V) -> dict[str, Any]:
        """Where a version stands in its life and what this person may do about it, for templates/versions/."""
        user, life = request.user, self.life
        waits, is_draft = version.status == Status.PROPOSED, version.status == Status.DRAFT
        may_propose, may_decide = (
            user.has_perm(life.propose_permission),
            user.has_perm(life.publish_permission),
        )
        refusal = ""
        if waits and may_decide:
            try:
                life.check_may_publish(version, user)
            except VersionError as error:
                refusal = str(error)
        return {
            "version": version,
            "namespace": self.namespace,
            "version_page": f"{self.namespace}:{self.page_name}",
            "may_propose": may_propose,
            "may_edit": is_draft and may_propose,
            "may_measure": version.status != Status.RETIRED and (may_propose or may_decide),
            "may_publish": waits and may_decide and not refusal,
            "may_send_back": waits and (may_decide or version.proposed_by_id == user.pk),  # type: ignore[attr-defined]
            "refusal": refusal,
            "propose_form": ReasonForm(prefix="propose"),
            "publish_form": ReasonForm(prefix="publish"),
            "back_form": ReasonForm(prefix="back"),
        }

    def editable(self, request: HttpRequest, pk: int) -> V:
        """The draft, for a page that edits it; 403 where it is none, or not for this person."""
        version = self.load(pk)
        if not request.user.has_perm(self.life.propose_permission) or version.status != Status.DRAFT:
            raise PermissionDenied
        return version

    def _copy(self, request: HttpRequest, version: V) -> tuple[str | Promise, int | None]:
        made = self.life.copy(version, by=request.user, as_of=business_date())
        return self.copied, made.pk

    def _delete(self, request: HttpRequest, version: V) -> tuple[str | Promise, int | None]:
        self.life.delete_draft(version, by=request.user, as_of=business_date())
        return _("The draft is deleted."), None

    def _propose(self, request: HttpRequest, version: V) -> tuple[str | Promise, int | None]:
        reason = request.POST.get("propose-reason", "")
        self.life.propose(version, by=request.user, reason=reason, as_of=business_date())
        return _("Proposed: a second person publishes it or sends it back."), version.pk

    def _send_back(self, request: HttpRequest, version: V) -> tuple[str | Promise, int | None]:
        reason = request.POST.get("back-reason", "")
        read = request.POST.get("back-proposal", "")
        self.life.send_back(version, by=request.user, reason=reason, as_of=business_date(), proposal=read)
        return self.sent_back, version.pk

    def _publish(self, request: HttpRequest, version: V) -> tuple[str | Promise, int | None]:
        made = self.life.publish(
            version,
            approver=request.user,
            proposal=request.POST.get("publish-proposal", ""),
            reason=request.POST.get("publish-reason", ""),
            override_reason=request.POST.get("publish-override_reason", ""),
            as_of=business_date(),
            first_day=self._first_day(request),
        )
        return self.told_of(made), version.pk

    def told_of(self, published: V) -> str | Promise:
        """What who published a version is told."""
        return self.published

    def _first_day(self, request: HttpRequest) -> date | None:
        """The first day asked for. Raises what the kind raises for one that is no day."""
        text = request.POST.get("publish-first_day", "").strip()
        if not text:
            return None
        try:
            return date.fromisoformat(text)
        except ValueError as error:
            raise self.life.error(
                "first_day", _("%s is not a day: write it as 2026-12-31.") % text
            ) from error
