"""Who is asking, and what they may do: read with one query per request instead of six.

A page asks for permissions (Django reads those of the person and of their groups apart), for the names of the
groups (which home is theirs) and for the companies and portfolios given to the person (several times). One
statement reads them all the first time one is asked for. What is kept hangs on the user object of the request and
goes with it: a right taken away is gone with the next request.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import Group, Permission
from django.db.models import BigIntegerField, Q, QuerySet, Value
from django.db.models.functions import Cast

from creditdesk.core.compiled import asked
from creditdesk.core.models import User
from customers.access import ACCESS_CACHE
from customers.models import Access

GROUPS_CACHE = "_names_of_groups"
_OF_REQUEST = "_of_request"


class RightsBackend(ModelBackend):
    """Django's own backend, with its permissions read by `_read`."""

    def get_user(self, user_id: Any) -> Any:
        user = super().get_user(user_id)
        if user is not None:
            # Made for one request; elsewhere (commands, tests) a user may live long and be given more rights.
            setattr(user, _OF_REQUEST, True)
        return user

    def get_all_permissions(self, user_obj: Any, obj: Any = None) -> set[str]:
        if not user_obj.is_active or user_obj.is_anonymous or user_obj.is_superuser or obj is not None:
            return super().get_all_permissions(user_obj, obj)
        if not hasattr(user_obj, "_perm_cache"):
            _read(user_obj)
        return user_obj._perm_cache


def held_groups(user: Any) -> frozenset[str]:
    """Names of the groups the user is in."""
    if getattr(user, _OF_REQUEST, False) and not hasattr(user, GROUPS_CACHE):
        _read(user)
    kept = getattr(user, GROUPS_CACHE, None)
    return frozenset(user.groups.values_list("name", flat=True)) if kept is None else kept


def _read(user: Any) -> None:
    permitted: set[str] = set()
    names: set[str] = set()
    given: set[tuple[int, int | None]] = set()
    for kind, label, name, company, portfolio in asked("rights", _held, [user.pk], date.min):
        if kind == "p":
            permitted.add(f"{label}.{name}")
        elif kind == "g":
            names.add(label)
        else:
            given.add((company, portfolio))
    user._perm_cache = permitted
    if getattr(user, _OF_REQUEST, False):
        setattr(user, GROUPS_CACHE, frozenset(names))
        setattr(user, ACCESS_CACHE, sorted(given, key=str))


def _held(users: Sequence[int], _day: date) -> QuerySet[Any, Any]:
    """Permissions, names of groups and access of one user. Every request asks it: its SQL is worked out once."""
    none = Value(0, output_field=BigIntegerField())
    number = BigIntegerField()
    held = Q(pk__in=User.user_permissions.through.objects.filter(user__in=users).values("permission"))
    held |= Q(group__in=User.groups.through.objects.filter(user__in=users).values("group"))
    permissions = Permission.objects.filter(held).order_by()
    groups = Group.objects.filter(user__in=users).order_by()
    access = Access.objects.filter(user__in=users).order_by()
    return permissions.values_list(Value("p"), "content_type__app_label", "codename", none, none).union(
        groups.values_list(Value("g"), "name", Value(""), none, none),
        access.values_list(
            Value("a"), Value(""), Value(""), Cast("company_id", number), Cast("portfolio_id", number)
        ),
    )
