"""Who asks: a key in the Authorization header; and whether the key and its user may do what is asked."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import Permission
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed, NotAuthenticated
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from creditdesk.api.keys import key_of
from creditdesk.api.models import ApiKey
from creditdesk.api.problems import Problem
from creditdesk.api.scopes import SCOPES
from creditdesk.core.models import User


class KeyAuthentication(BaseAuthentication):
    """`Authorization: Bearer cdk_...`. A request without a key, or with one that does not work, is refused."""

    def authenticate(self, request: Request) -> tuple[User, ApiKey] | None:
        parts = get_authorization_header(request).split()
        if not parts or parts[0].lower() != b"bearer":
            return None
        try:
            token = parts[1].decode("ascii") if len(parts) == 2 else ""
        except UnicodeDecodeError:
            token = ""
        key = key_of(token)
        if key is None:
            raise AuthenticationFailed(_("There is no such key."))
        if not key.works_at(timezone.now()):
            raise AuthenticationFailed(_("This key was revoked or has expired: ask for a new one."))
        if not key.user.is_active:
            raise AuthenticationFailed(_("The user this key acts for is not active."))
        if key.user.is_superuser:  # became one after the key was made
            raise AuthenticationFailed(
                _("A key never acts for a superuser: make a user with the role it needs.")
            )
        return key.user, key

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="creditdesk"'


class HasScope(BasePermission):
    """The key has the scope the endpoint names for this method, and its user the permission behind the scope."""

    def has_permission(self, request: Request, view: Any) -> bool:
        if not isinstance(request.auth, ApiKey):
            raise NotAuthenticated(_("Send a key: Authorization: Bearer cdk_…"))
        scope = view.scopes.get("GET" if request.method in ("HEAD", "OPTIONS") else request.method)
        if scope is None:
            return True  # no such method: answered 405
        check_scope(request, scope)
        return True


def check_scope(request: Request, scope: str) -> None:
    """Raises Problem scope_missing or permission_missing."""
    if scope not in request.auth.scopes:  # type: ignore[union-attr]
        raise Problem(403, "scope_missing", _("This key lacks the scope %(scope)s.") % {"scope": scope})
    if not _has(request.user, SCOPES[scope].permission):  # type: ignore[arg-type]
        raise Problem(
            403,
            "permission_missing",
            _("The user this key acts for lacks the permission %(name)s.")
            % {"name": SCOPES[scope].permission},
        )


def _has(user: User, permission: str) -> bool:
    """As `user.has_perm`, with one query for the one permission instead of two for all of them."""
    label, _dot, codename = permission.partition(".")
    given = Permission.objects.filter(content_type__app_label=label, codename=codename)
    return given.filter(Q(user=user) | Q(group__user=user)).exists()
