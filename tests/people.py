"""A named cast for tests of pages and rules: everybody of the ready roles, and a stranger to the portfolio.

`cast` is a fixture everywhere under tests/. Everybody but the stranger sees company "acme"; the collector only its
portfolio "north", where `account` is. The stranger has every role, but only the other company's portfolio.
"""

from __future__ import annotations

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
    staff = any(ROLES[role].is_staff for role in role_names)
    user = User.objects.create(username=name, is_staff=staff)
    user.groups.set(Group.objects.filter(name__in=role_names))
    Access.objects.create(user=user, company=company, portfolio=portfolio)
    return user


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
    ApprovalAuthority.objects.filter(group__name=group, company=company).exclude(
        approvers_needed=needed
    ).delete()
    for direction, amount in (("rise", rise), ("cut", cut)):
        ApprovalAuthority.objects.update_or_create(
            group=Group.objects.get(name=group),
            company=company,
            direction=direction,
            approvers_needed=needed,
            defaults={
                "currency": company.currency,
                "max_amount": None if amount is None else amount * 100,
                "worst_grade": grade,
            },
        )


def make_cast() -> Cast:
    company, other = make_company("acme"), make_company("other")
    north = Portfolio.objects.create(company=company, code="north", name="North")
    give_authority(company)
    give_authority(other)
    return Cast(
        company=company,
        portfolio=north,
        account=make_account(company, "Rossi Forniture", portfolio=north),
        elsewhere=make_account(other, "Elsewhere Ltd"),
        controller=make_user("carla", roles.CONTROLLER, company=company),
        approver=make_user("paolo", roles.APPROVER, company=company),
        collector=make_user("marta", roles.COLLECTOR, company=company, portfolio=north),
        manager=make_user("bruno", roles.MANAGER, company=company),
        auditor=make_user("ada", roles.AUDITOR, company=company),
        integration=make_user("robot", roles.INTEGRATION, company=company),
        stranger=make_user("sam", *roles.ALL, company=other, portfolio=other.portfolios.get(code="all")),
    )


@pytest.fixture
def cast(db) -> Cast:
    return make_cast()
