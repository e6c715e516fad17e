"""With whose authority a person may decide a limit change: their own, or somebody's they stand in for.

A deputy needs the right to decide and the account in their own scope; the delegator must still be active, hold the
right, see the account and have authority of their own. What a deputy has only by delegation does not pass on. Whoever
proposed a change, or already decided it in person or by deputy, has no mandate for it in any capacity.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from django.db.models import Prefetch, Q, QuerySet
from django.utils.translation import gettext as _

from creditdesk.core.models import User
from customers.approval_rules import DECIDE, ApprovalError, Cover, Need, check_scope, need_of
from customers.models import (
    Access,
    ApprovalAuthority,
    ApprovalDelegation,
    CreditAccount,
    LimitChange,
    LimitDecision,
)
from customers.people import staff_with


@dataclass(frozen=True, slots=True)
class Mandate:
    """One way in which a person may decide a change. `delegation` None: with their own authority."""

    authority: ApprovalAuthority
    need: Need
    delegation: ApprovalDelegation | None = None

    @property
    def on_behalf_of(self) -> User | None:
        return self.delegation.delegator if self.delegation else None

    @property
    def decides_alone(self) -> bool:
        return self.authority.approvers_needed == 1


def delegations_in_force(on: date) -> QuerySet[ApprovalDelegation]:
    return ApprovalDelegation.objects.filter(starts_on__lte=on, ends_on__gte=on, revoked_at__isnull=True)


def mandates(
    changes: Sequence[LimitChange], user: User, grades_now: dict[int, str] | None = None, *, on: date
) -> dict[int, list[Mandate]]:
    """The mandates of a user for each change, own authority first, in a constant number of queries.

    Changes need `account` loaded; whether the user sees the accounts is the caller's to check.
    """
    found: dict[int, list[Mandate]] = {change.pk: [] for change in changes}
    if not changes or not user.has_perm(DECIDE):
        return found
    table = _Table(changes, [user], on)
    for change in changes:
        found[change.pk] = table.of(user.pk, change, (grades_now or {}).get(change.account_id, ""))
    return found


def deciders(
    changes: Sequence[LimitChange], grades_now: dict[int, str] | None = None, *, on: date
) -> dict[int, dict[int, Mandate]]:
    """Everybody who may decide each change on a day, by id of the person, with their first mandate.

    Active people with the right, the account in their scope and authority of their own or lent. A constant number of
    queries. Changes need `account` loaded.
    """
    found: dict[int, dict[int, Mandate]] = {change.pk: {} for change in changes}
    people = list(User.objects.filter(pk__in=staff_with(DECIDE))) if changes else []
    if not people:
        return found
    table, scopes = _Table(changes, people, on), _scopes(people)
    for change in changes:
        grade = (grades_now or {}).get(change.account_id, "")
        for person in people:
            ways = table.of(person.pk, change, grade) if _sees(scopes[person.pk], change.account) else []
            if ways:
                found[change.pk][person.pk] = ways[0]
    return found


class _Table:
    """What deciding some changes asks for, and what some people have; read once."""

    def __init__(self, changes: Sequence[LimitChange], people: Sequence[User], on: date) -> None:
        companies = {change.account.company_id for change in changes}
        self.standing_in = _standing_in([person.pk for person in people], companies, on)
        lent = [one for rows in self.standing_in.values() for one in rows]
        self.rows = _rows_by_person(
            {person.pk for person in people} | {one.delegator_id for one in lent}, companies
        )
        self.scopes = _scopes(list({one.delegator_id: one.delegator for one in lent}.values()))
        self.used = people_used(changes)
        self.cover = Cover(on)

    def of(self, user_id: int, change: LimitChange, grade_now: str) -> list[Mandate]:
        spent = self.used[change.pk] | ({change.proposer_id} if change.proposer_id else set())
        if user_id in spent:
            return []
        need, account = need_of(change, grade_now), change.account
        ways: list[tuple[int, ApprovalDelegation | None]] = [(user_id, None)]
        ways += [
            (one.delegator_id, one)
            for one in self.standing_in.get(user_id, ())
            if one.company_id == account.company_id
            and one.delegator_id not in spent
            and _sees(self.scopes[one.delegator_id], account)
        ]
        found = []
        for person, delegation in ways:
            covering = [
                row
                for row in self.rows[person]
                if row.company_id == account.company_id and self.cover.covers(row, need)
            ]
            if covering:
                # Whoever may decide alone does: the row that asks for the fewest people.
                best = min(covering, key=lambda row: (row.approvers_needed, row.pk))
                found.append(Mandate(best, need, delegation))
        return found


def people_used(changes: Iterable[LimitChange]) -> dict[int, set[int]]:
    """Per change, who decided it already or was stood in for."""
    used: dict[int, set[int]] = defaultdict(set)
    rows = LimitDecision.objects.filter(change__in=[change.pk for change in changes])
    for change_id, *people in rows.values_list("change_id", "decided_by_id", "on_behalf_of_id"):
        used[change_id] |= {pk for pk in people if pk}
    return used


def check_may_decide(
    user: User, change: LimitChange, *, grade_now: str, on: date, on_behalf_of: User | None = None
) -> Mandate:
    """The mandate under which the user decides: with their own authority where it covers, unless they name whom for.

    Raises ApprovalError: not_allowed, out_of_scope, own_proposal, decided_before, no_authority.
    """
    if not user.has_perm(DECIDE):
        raise ApprovalError("not_allowed", _("Your role does not decide on limits: ask an approver."))
    check_scope(user, change.account)
    if change.proposer_id == user.pk:
        raise ApprovalError(
            "own_proposal", _("You proposed this yourself: somebody else has to decide it."), change
        )
    if user.pk in people_used([change])[change.pk]:
        raise ApprovalError(
            "decided_before",
            _("You decided this already, in person or by deputy: it takes a second person."),
            change,
        )
    ways = mandates([change], user, {change.account_id: grade_now}, on=on)[change.pk]
    if on_behalf_of is not None:
        ways = [way for way in ways if way.on_behalf_of == on_behalf_of]
        if not ways:
            raise ApprovalError(
                "no_authority",
                _(
                    "You do not stand in for %(who)s here: decide with your own authority, or ask somebody else."
                )
                % {"who": on_behalf_of.get_full_name() or on_behalf_of.get_username()},
                change,
            )
    if not ways:
        need = need_of(change, grade_now)
        raise ApprovalError(
            "no_authority",
            _("Your authority does not cover %(amount)s at grade %(grade)s: ask somebody whose does.")
            % {"amount": need.amount, "grade": need.grade},
            change,
        )
    return ways[0]


def standing_approvals(change: LimitChange, *, grade_now: str, on: date) -> list[LimitDecision]:
    """The approvals given so far that still count: whose authority covers the change at today's grade, too."""
    rows = LimitDecision.objects.filter(change=change, verdict=LimitDecision.Verdict.APPROVE)
    decisions = list(rows.select_related("decided_by", "on_behalf_of").order_by("pk"))
    if not decisions:
        return []
    people = {row.pk: row.on_behalf_of or row.decided_by for row in decisions}
    rows_of = _rows_by_person({person.pk for person in people.values()}, {change.account.company_id})
    need, cover = need_of(change, grade_now), Cover(on)
    return [
        row
        for row in decisions
        if row.decided_by.is_active
        and people[row.pk].is_active
        and any(cover.covers(authority, need) for authority in rows_of[people[row.pk].pk])
    ]


def _standing_in(people: Sequence[int], companies: set[int], on: date) -> dict[int, list[ApprovalDelegation]]:
    """Per person the delegations under which they stand in, one for each company and delegator."""
    rows = delegations_in_force(on).filter(
        delegate__in=people, company__in=companies, delegator__is_active=True
    )
    one_each = {
        (row.delegate_id, row.company_id, row.delegator_id): row for row in rows.select_related("delegator")
    }
    may = {row.delegator_id: row.delegator.has_perm(DECIDE) for row in one_each.values()}
    found: dict[int, list[ApprovalDelegation]] = defaultdict(list)
    for row in one_each.values():
        if may[row.delegator_id]:
            found[row.delegate_id].append(row)
    return found


def _rows_by_person(people: set[int], companies: set[int]) -> dict[int, list[ApprovalAuthority]]:
    """The authority rows of each person's groups in these companies, in two queries."""
    membership = User.groups.through
    groups: dict[int, set[int]] = defaultdict(set)
    for user_id, group_id in membership.objects.filter(user_id__in=people).values_list("user_id", "group_id"):
        groups[user_id].add(group_id)
    rows = list(
        ApprovalAuthority.objects.filter(
            company__in=companies, group__in=set().union(*groups.values()) if groups else []
        )
        .select_related("group")
        .order_by("pk")
    )
    return defaultdict(
        list, {person: [row for row in rows if row.group_id in groups[person]] for person in people}
    )


Scope = set[tuple[int, int | None]] | None


def _scopes(people: Sequence[User]) -> dict[int, Scope]:
    """What each person sees, as {(company, portfolio or None for all)}; None: everything."""
    scopes: dict[int, Scope] = {person.pk: None if person.is_superuser else set() for person in people}
    rows = Access.objects.filter(user__in=[pk for pk, scope in scopes.items() if scope is not None])
    for user_id, company_id, portfolio_id in rows.values_list("user_id", "company_id", "portfolio_id"):
        scope = scopes[user_id]
        assert scope is not None
        scope.add((company_id, portfolio_id))
    return scopes


def _sees(scope: Scope, account: CreditAccount) -> bool:
    return scope is None or bool(
        {(account.company_id, None), (account.company_id, account.portfolio_id)} & scope
    )


def decisions_shown() -> Prefetch:
    """The decisions of changes in a list, with their people, without the evidence kept with them."""
    rows = LimitDecision.objects.select_related("decided_by", "on_behalf_of").defer("evidence")
    return Prefetch("decisions", rows.order_by("pk"))


def waiting_for_second(user: User) -> Q:
    """Condition on changes: this user decided them already (as first of two), or was stood in for."""
    return Q(decisions__decided_by=user) | Q(decisions__on_behalf_of=user)
