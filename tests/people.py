"""A named cast for tests of pages and rules: everybody of the ready roles, and a stranger to the portfolio.

`cast` is a fixture everywhere under tests/. Everybody but the stranger sees company "acme"; the collector only its
portfolio "north", where `account` is. The stranger has every role, but only the other company's portfolio.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pytest
from django.contrib.auth.models import Group

from creditdesk.core import roles
from creditdesk.core.models import User
from creditdesk.roles import ROLES
from customers.models import Access, ApprovalAuthority, Company, CreditAccount, Portfolio
from tests.factories import make_account, make_company


@dataclass
class Cast:
    company: Company
    portfolio: Portfolio
    account: CreditAccount
    elsewhere: CreditAccount
    controller: User
    approver: User
    collector: User
    manager: User
    auditor: User
    integration: User
    stranger: User

    def by_role(self) -> dict[str, User]:
        return {
            roles.CONTROLLER: self.controller,
            roles.APPROVER: self.approver,
            roles.COLLECTOR: self.collector,
            roles.MANAGER: self.manager,
            roles.AUDITOR: self.auditor,
            roles.INTEGRATION: self.integration,
        }


def make_user(name: str, *role_names: str, company: Company, portfolio: Portfolio | None = None) -> User:
    (user,) = make_users({name: (role_names, company, portfolio)})
    return user


def make_users(wanted: dict[str, tuple[Iterable[str], Company, Portfolio | None]]) -> list[User]:
    """By name: the roles of each, and what they see."""
    users = User.objects.bulk_create(
        User(username=name, is_staff=any(ROLES[role].is_staff for role in role_names))
        for name, (role_names, _company, _portfolio) in wanted.items()
    )
    held = User.groups.through
    numbers = dict(Group.objects.values_list("name", "pk"))
    held.objects.bulk_create(
        held(user=user, group_id=numbers[role])
        for user, (role_names, _company, _portfolio) in zip(users, wanted.values(), strict=True)
        for role in role_names
    )
    Access.objects.bulk_create(
        Access(user=user, company=company, portfolio=portfolio)
        for user, (_roles, company, portfolio) in zip(users, wanted.values(), strict=True)
    )
    return users


def give_authority(
    company: Company,
    *,
    group: str = roles.APPROVER,
    rise: int | None = None,
    cut: int | None = None,
    grade="E",
    needed: int = 1,
) -> None:
    """Authority of a role over a company's limits, in major units (None: any amount); instead of what it had."""
    held_by = Group.objects.get(name=group)
    mine = ApprovalAuthority.objects.filter(group=held_by, company=company)
    mine.delete()
    ApprovalAuthority.objects.bulk_create(
        ApprovalAuthority(
            group=held_by,
            company=company,
            direction=direction,
            approvers_needed=needed,
            currency=company.currency,
            max_amount=None if amount is None else amount * 100,
            worst_grade=grade,
        )
        for direction, amount in (("rise", rise), ("cut", cut))
    )


def make_cast() -> Cast:
    company, other = make_company("acme"), make_company("other")
    north = Portfolio.objects.create(company=company, code="north", name="North")
    give_authority(company)
    give_authority(other)
    account = make_account(company, "Rossi Forniture", portfolio=north)
    elsewhere = make_account(other, "Elsewhere Ltd")
    people = make_users(
        {
            "carla": ([roles.CONTROLLER], company, None),
            "paolo": ([roles.APPROVER], company, None),
            "marta": ([roles.COLLECTOR], company, north),
            "bruno": ([roles.MANAGER], company, None),
            "ada": ([roles.AUDITOR], company, None),
            "robot": ([roles.INTEGRATION], company, None),
            "sam": (roles.ALL, other, other.portfolios.get(code="all")),
        }
    )
    return Cast(company, north, account, elsewhere, *people)


@pytest.fixture
def cast(db) -> Cast:
    return make_cast()
