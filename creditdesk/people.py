"""Giving people their roles and their companies or portfolios. Both are needed: a role without one sees nothing."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from django.contrib.auth.models import Group
from django.db import transaction
from django.utils.translation import gettext as _

from creditdesk.core import roles as names
from creditdesk.core.audit import Actor, Change, record_act
from creditdesk.core.models import User
from creditdesk.roles import ROLES
from customers.models import Access, Company, Portfolio


class UnknownName(LookupError):
    """A role, company or portfolio that does not exist; the text lists those that do."""


@dataclass(frozen=True, slots=True)
class Given:
    """What a user holds after the act, by name."""

    roles: tuple[str, ...]
    scope: tuple[str, ...]

    def __str__(self) -> str:
        return f"{', '.join(self.roles) or '-'} in {', '.join(self.scope) or '-'}"


@transaction.atomic
def give_access(
    user: User,
    *,
    roles: Collection[str] = (),
    companies: Collection[str] = (),
    portfolios: Collection[str] = (),
    actor: Actor,
) -> Given:
    """Add roles and scope to a user; what the user already holds stays. Doing it twice changes nothing.

    portfolios: "CODE", or "COMPANY/CODE" where several companies use the code. Raises UnknownName.
    """
    groups = [_group(name) for name in roles]
    scope: list[tuple[Company, Portfolio | None]] = [(_company(code), None) for code in companies]
    scope += [(portfolio.company, portfolio) for portfolio in map(_portfolio, portfolios)]
    before = _held(user)
    user.groups.add(*groups)
    for company, portfolio in scope:
        Access.objects.get_or_create(user=user, company=company, portfolio=portfolio)
    if any(role.is_staff for name, role in ROLES.items() if name in roles) and not user.is_staff:
        user.is_staff = True
        user.save(update_fields=["is_staff"])
    after = _held(user)
    if after != before:
        record_act(
            "user.give_access",
            actor=actor,
            subject=user,
            changes=[Change.of(user, _facts(before), _facts(after))],
        )
    return after


def _held(user: User) -> Given:
    accesses = Access.objects.filter(user=user).select_related("company", "portfolio").order_by("pk")
    return Given(
        tuple(user.groups.order_by("name").values_list("name", flat=True)),
        tuple(row.company.code + (f"/{row.portfolio.code}" if row.portfolio else "") for row in accesses),
    )


def _facts(held: Given) -> dict[str, list[str]]:
    return {"roles": list(held.roles), "scope": list(held.scope)}


def _group(name: str) -> Group:
    """The group of a role; "controller" is understood as "credit controller"."""
    wanted = names.CONTROLLER if name == "controller" else name.replace("_", " ")
    try:
        return Group.objects.get(name=wanted)
    except Group.DoesNotExist as error:
        raise _unknown(_("role"), name, Group.objects.values_list("name", flat=True)) from error


def _company(code: str) -> Company:
    try:
        return Company.objects.get(code=code)
    except Company.DoesNotExist as error:
        raise _unknown(_("company"), code, Company.objects.values_list("code", flat=True)) from error


def _portfolio(name: str) -> Portfolio:
    company, _slash, code = name.rpartition("/")
    rows = Portfolio.objects.select_related("company").filter(code=code)
    if company:
        rows = rows.filter(company__code=company)
    found = list(rows[:2])
    if len(found) != 1:
        known = [f"{p.company.code}/{p.code}" for p in Portfolio.objects.select_related("company")]
        raise _unknown(_("portfolio"), name, known)
    return found[0]


def _unknown(what: str, name: str, known: Collection[str]) -> UnknownName:
    return UnknownName(
        _("There is no %(what)s %(name)s. There is: %(known)s.")
        % {"what": what, "name": name, "known": ", ".join(sorted(known)) or "-"}
    )
