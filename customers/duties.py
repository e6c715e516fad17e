"""Segregation of duties: what the database makes impossible, and where people still hold duties that conflict.

Three parts. *Guarantees*: rules the database keeps by constraint or trigger, each with its guard looked up in the
database and the stored decisions counted against it (the count must be zero). *Rights*: people who hold two duties
that should not be in one hand. *Acts*: what happened in a period: pairs who approve each other, deciders who touched
the facts or the authority they decided by. Every finding names the person, the company and the cure.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from django.contrib.auth.models import Permission
from django.db import connection
from django.db.models import F, Q
from django.utils.translation import gettext as _

from creditdesk.core.acts import act_label
from creditdesk.core.models import AuditEntry, User
from creditdesk.core.wording import day
from customers.approval_rules import DECIDE, PROPOSE
from customers.models import (
    Access,
    ApprovalAuthority,
    ApprovalDelegation,
    Company,
    LimitChange,
    LimitDecision,
)

HIGH, MEDIUM, GUARDED = "high", "medium", "guarded"
RECIPROCAL = 3  # approvals each way within the period before a pair is named
TOUCHED_DAYS = 30  # how long before a decision an act of the decider on the same customer is named

# Rights that conflict with deciding on limits: codename -> severity.
CONFLICTING = {
    "customers.propose_limitchange": GUARDED,
    "customers.add_importbatch": MEDIUM,
    "customers.add_financialstatement": MEDIUM,
    "customers.add_cover": MEDIUM,
    "customers.change_customer": MEDIUM,
    "worklists.work_worklist": MEDIUM,
    "customers.change_approvalauthority": HIGH,
    "customers.add_approvalauthority": HIGH,
    "customers.add_access": HIGH,
    "auth.change_group": HIGH,
    "core.change_user": HIGH,
}
# Acts on a customer or account that change what a decision is measured by.
TOUCHING = (
    *("score.overridden", "score.reviewed", "legal_event.record", "legal_event.take_back"),
    *("customer.status", "customer.terms", "customer.change", "creditaccount.change"),
)


@dataclass(frozen=True, slots=True)
class Guarantee:
    """A rule the database keeps. violations: stored rows against it; guard_stands: the trigger or CHECK is there."""

    rule: str
    guard: str
    guard_stands: bool
    checked: int
    violations: int

    @property
    def holds(self) -> bool:
        return self.guard_stands and not self.violations


@dataclass(frozen=True, slots=True)
class Conflict:
    """Duties in one hand. severity: high, medium, or guarded (the database prevents it on one and the same change)."""

    code: str
    severity: str
    who: str
    company: str
    what: str
    cure: str


def guarantees() -> list[Guarantee]:
    """What cannot happen, proved over every stored decision."""
    names = guards_in_database()
    decisions = LimitDecision.objects.all()
    count = decisions.count()
    own = decisions.filter(
        Q(change__proposer=F("decided_by")) | Q(change__proposer=F("on_behalf_of"))
    ).count()
    applied = LimitChange.objects.filter(status=LimitChange.Status.APPLIED, is_automatic=False)
    without = applied.exclude(
        pk__in=decisions.filter(verdict="approve", decided_by=F("change__decided_by")).values("change")
    )
    return [
        Guarantee(
            _("Nobody decides their own proposal, nor stands in for its proposer"),
            "customers_limitdecision_four_eyes",
            "customers_limitdecision_four_eyes" in names,
            count,
            own,
        ),
        Guarantee(
            _("Nobody decides a change twice, in person or by deputy"),
            "customers_limitdecision_once",
            "customers_limitdecision_once" in names,
            count,
            _decided_twice(),
        ),
        Guarantee(
            _("No change of a person is applied without the decisions its authority asks for"),
            "customers_limitchange_needs_decisions",
            "customers_limitchange_needs_decisions" in names,
            applied.count(),
            without.count() + _second_missing(),
        ),
        Guarantee(
            _("Nobody decides beyond the authority of their group, or that of whom they stand in for"),
            "customers_limitdecision_authority",
            "customers_limitdecision_authority" in names,
            count,
            0,
        ),
        Guarantee(
            _("A deputy decides only under a delegation in force"),
            "customers_limitdecision_deputy",
            "customers_limitdecision_deputy" in names,
            decisions.filter(on_behalf_of__isnull=False).count(),
            decisions.filter(on_behalf_of__isnull=False)
            .exclude(
                delegation__delegate=F("decided_by"),
                delegation__delegator=F("on_behalf_of"),
                delegation__starts_on__lte=F("decided_on"),
                delegation__ends_on__gte=F("decided_on"),
            )
            .count(),
        ),
        Guarantee(
            _("Decisions are never edited or deleted"),
            "customers_limitdecision_frozen",
            {"customers_limitdecision_frozen", "customers_limitdecision_kept"} <= names,
            count,
            0,
        ),
    ]


def conflicts(companies: Sequence[Company], first: date, last: date) -> list[Conflict]:
    """Every conflict of rights today and of acts between two days (both included), the gravest first."""
    ids = [company.pk for company in companies]
    found = [
        *_rights(companies),
        *_delegations(ids, last),
        *_coverage(companies),
        *_pairs(ids, first, last),
        *_touched(ids, first, last),
        *_own_authority(ids, first, last),
    ]
    order = {HIGH: 0, MEDIUM: 1, GUARDED: 2}
    return sorted(found, key=lambda one: (order[one.severity], one.code, one.who, one.company))


def guards_in_database() -> set[str]:
    """The names of the triggers that stand and are switched on."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT name FROM sqlite_master WHERE type = 'trigger'"
            if connection.vendor == "sqlite"
            else "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgenabled <> 'D'"
        )
        return {name for (name,) in cursor.fetchall()}


def _decided_twice() -> int:
    seen: set[tuple[int, int]] = set()
    twice = 0
    rows = LimitDecision.objects.values_list("change_id", "decided_by_id", "on_behalf_of_id")
    for change, *people in rows.iterator(chunk_size=5000):
        keys = {(change, pk) for pk in people if pk}
        twice += bool(keys & seen)
        seen |= keys
    return twice


def _second_missing() -> int:
    """Applied changes whose closing decision asked for two people and has no other."""
    lone = LimitDecision.objects.filter(
        change__status=LimitChange.Status.APPLIED,
        approvers_needed=2,
        verdict="approve",
        decided_by=F("change__decided_by"),
    )
    others = LimitDecision.objects.filter(change__in=lone.values("change"), verdict="approve")
    counts = Counter(others.values_list("change_id", flat=True))
    return sum(number < 2 for number in counts.values())


def _name(user: User) -> str:
    return f"{user.get_full_name()} ({user.get_username()})" if user.get_full_name() else user.get_username()


def _holders(codenames: Iterable[str]) -> dict[int, set[str]]:
    """{user id: rights among `codenames`} through groups or given directly; active people only."""
    wanted = Q()
    for name in codenames:
        app, codename = name.split(".")
        wanted |= Q(content_type__app_label=app, codename=codename)
    rights = {
        pk: f"{app}.{codename}"
        for pk, app, codename in Permission.objects.filter(wanted).values_list(
            "pk", "content_type__app_label", "codename"
        )
    }
    held: dict[int, set[str]] = defaultdict(set)
    active = User.objects.filter(is_active=True)
    for path in ("groups__permissions", "user_permissions"):
        rows = active.filter(**{f"{path}__in": list(rights)}).values_list("pk", path)
        for user_id, permission_id in rows:
            if permission_id in rights:
                held[user_id].add(rights[permission_id])
    return held


def _people_of(companies: Sequence[Company]) -> dict[int, set[int]]:
    """{user id: companies they see something of}."""
    seen: dict[int, set[int]] = defaultdict(set)
    ids = [company.pk for company in companies]
    for user_id, company_id in Access.objects.filter(company__in=ids).values_list("user_id", "company_id"):
        seen[user_id].add(company_id)
    return seen


def _rights(companies: Sequence[Company]) -> list[Conflict]:
    held = _holders([DECIDE, *CONFLICTING])
    seen = _people_of(companies)
    groups = set(
        ApprovalAuthority.objects.filter(company__in=[c.pk for c in companies]).values_list(
            "group_id", flat=True
        )
    )
    with_authority = User.objects.filter(is_active=True, groups__in=groups).distinct()
    labels = _right_labels()
    found = []
    for user in User.objects.filter(pk__in=[pk for pk in held if seen.get(pk)], is_active=True):
        if DECIDE not in held[user.pk]:
            continue
        for severity in (HIGH, MEDIUM, GUARDED):
            rights = sorted(
                right for right in held[user.pk] if CONFLICTING.get(right) == severity and right != DECIDE
            )
            if rights:
                found.append(
                    Conflict(
                        "rights",
                        severity,
                        _name(user),
                        "",
                        _("decides on limits and also: %(rights)s")
                        % {"rights": ", ".join(str(labels.get(right, right)) for right in rights)},
                        _("Nothing to do: the database refuses both on one change.")
                        if severity == GUARDED
                        else _("Take one of the two roles away."),
                    )
                )
    for user in with_authority.filter(is_superuser=True):
        found.append(
            Conflict(
                "superuser",
                HIGH,
                _name(user),
                "",
                _("is an administrator and has authority over limits: may widen their own authority"),
                _("Take the person out of the groups with authority, or take the administration away."),
            )
        )
    for user in User.objects.filter(is_active=False, groups__in=groups).distinct():
        found.append(
            Conflict(
                "left",
                MEDIUM,
                _name(user),
                "",
                _("is not active any more but still in a group with authority"),
                _("Take the person out of the group."),
            )
        )
    return found


def _right_labels() -> dict[str, str]:
    return {
        PROPOSE: _("proposes limits"),
        "customers.add_importbatch": _("imports the ledger"),
        "customers.add_financialstatement": _("enters annual accounts"),
        "customers.add_cover": _("enters cover"),
        "customers.change_customer": _("edits customers"),
        "worklists.work_worklist": _("collects"),
        "customers.change_approvalauthority": _("edits approval authority"),
        "customers.add_approvalauthority": _("gives approval authority"),
        "customers.add_access": _("gives access"),
        "auth.change_group": _("edits roles"),
        "core.change_user": _("edits users"),
    }


def _delegations(company_ids: list[int], on: date) -> list[Conflict]:
    """Delegations in force or to come: mutual ones, and those of people who left."""
    rows = list(
        ApprovalDelegation.objects.filter(
            company__in=company_ids, ends_on__gte=on, revoked_at__isnull=True
        ).select_related("delegator", "delegate", "company")
    )
    found = []
    for row in rows:
        period = {"first": day(row.starts_on), "last": day(row.ends_on), "who": _name(row.delegate)}
        back = any(
            other.delegator_id == row.delegate_id
            and other.delegate_id == row.delegator_id
            and other.company_id == row.company_id
            and other.starts_on <= row.ends_on
            and other.ends_on >= row.starts_on
            for other in rows
        )
        if back:
            found.append(
                Conflict(
                    "mutual_delegation",
                    MEDIUM,
                    _name(row.delegator),
                    str(row.company),
                    _("stands in for %(who)s and the other way round, %(first)s to %(last)s") % period,
                    _("End one of the two delegations."),
                )
            )
        if not row.delegator.is_active:
            found.append(
                Conflict(
                    "delegator_left",
                    MEDIUM,
                    _name(row.delegator),
                    str(row.company),
                    _("is not active any more, but delegates to %(who)s until %(last)s") % period,
                    _("End the delegation: nothing is decided under it."),
                )
            )
    return found


def _coverage(companies: Sequence[Company]) -> list[Conflict]:
    """Where the matrix cannot work: nobody, or a single person, could decide."""
    held, seen = _holders([DECIDE]), _people_of(companies)
    membership = User.groups.through.objects.filter(user_id__in=[pk for pk in held if DECIDE in held[pk]])
    members: dict[int, set[int]] = defaultdict(set)
    for user_id, group_id in membership.values_list("user_id", "group_id"):
        members[group_id].add(user_id)
    found = []
    rows = ApprovalAuthority.objects.filter(company__in=[c.pk for c in companies])
    by_company: dict[tuple[int, str], list[ApprovalAuthority]] = defaultdict(list)
    for row in rows.select_related("group"):
        by_company[row.company_id, row.direction].append(row)
    for company in companies:
        for direction in ApprovalAuthority.Direction:
            matrix = by_company[company.pk, direction.value]
            people = {
                user
                for row in matrix
                for user in members[row.group_id]
                if company.pk in seen.get(user, set())
            }
            least = 3 if any(row.approvers_needed == 2 for row in matrix) else 2
            if len(people) >= least:
                continue
            what = (
                _("%(direction)s: nobody may decide")
                if not people
                else _(
                    "%(direction)s: only %(n)s may decide, so that a proposal of one of them can have too few deciders"
                )
            )
            found.append(
                Conflict(
                    "too_few",
                    HIGH if not people else MEDIUM,
                    "",
                    str(company),
                    what % {"direction": direction.label, "n": len(people)},
                    _("Give the role to somebody else, or authority to another group."),
                )
            )
    return found


def _decisions(company_ids: list[int], first: date, last: date):
    return LimitDecision.objects.filter(
        change__account__company__in=company_ids, decided_on__gte=first, decided_on__lte=last
    )


def _pairs(company_ids: list[int], first: date, last: date) -> list[Conflict]:
    """Two people who keep approving each other's proposals."""
    rows = (
        _decisions(company_ids, first, last)
        .filter(verdict="approve", change__proposer__isnull=False)
        .values_list("decided_by_id", "change__proposer_id")
    )
    counts = Counter((by, of) for by, of in rows)
    pairs = [
        (by, of)
        for (by, of), n in counts.items()
        if by < of and n >= RECIPROCAL and counts[of, by] >= RECIPROCAL
    ]
    names = {u.pk: _name(u) for u in User.objects.filter(pk__in={pk for pair in pairs for pk in pair})}
    return [
        Conflict(
            "reciprocal",
            MEDIUM,
            f"{names[a]}, {names[b]}",
            "",
            _("approved each other's proposals: %(one)s and %(other)s times")
            % {"one": counts[a, b], "other": counts[b, a]},
            _("Let a third person decide some of them."),
        )
        for a, b in sorted(pairs)
    ]


def _touched(company_ids: list[int], first: date, last: date) -> list[Conflict]:
    """Deciders who changed the facts of the same customer shortly before they decided."""
    rows = list(
        _decisions(company_ids, first, last).select_related(
            "decided_by", "change__account__customer", "change__account__company"
        )
    )
    entries = AuditEntry.objects.filter(
        actor__in={row.decided_by_id for row in rows},
        act__in=TOUCHING,
        subject_type__in=["customers.customer", "customers.creditaccount"],
        at__date__gte=first - timedelta(days=TOUCHED_DAYS),
        at__date__lte=last,
    )
    acts: dict[tuple[int, str, str], list[AuditEntry]] = defaultdict(list)
    for entry in entries:
        acts[entry.actor_id, entry.subject_type, entry.subject_pk].append(entry)
    found = []
    for row in rows:
        account = row.change.account
        touching = [
            entry
            for kind, pk in (
                ("customers.customer", account.customer_id),
                ("customers.creditaccount", account.pk),
            )
            for entry in acts[row.decided_by_id, kind, str(pk)]
            if timedelta(0) <= row.decided_at - entry.at <= timedelta(days=TOUCHED_DAYS)
        ]
        if touching:
            labels = sorted({act_label(entry.act) for entry in touching})
            found.append(
                Conflict(
                    "touched_facts",
                    MEDIUM,
                    _name(row.decided_by),
                    str(account.company),
                    _("%(customer)s, decided on %(day)s: before, the same person did: %(acts)s")
                    % {
                        "customer": account.customer.name,
                        "day": day(row.decided_on),
                        "acts": ", ".join(labels),
                    },
                    _("Look at the decision again, with somebody else."),
                )
            )
    return found


def _own_authority(company_ids: list[int], first: date, last: date) -> list[Conflict]:
    """Who edited authority in the period and decided under it."""
    deciders = set(_decisions(company_ids, first, last).values_list("decided_by_id", flat=True))
    entries = AuditEntry.objects.filter(
        actor__in=deciders, act__startswith="approvalauthority.", at__date__gte=first, at__date__lte=last
    ).select_related("actor")
    edits = Counter(entry.actor for entry in entries)
    return [
        Conflict(
            "own_authority",
            HIGH,
            _name(user),
            "",
            _("edited approval authority %(n)s times and decided on limits in the same period") % {"n": n},
            _("Have the decisions looked at by somebody else, and take one of the two duties away."),
        )
        for user, n in edits.items()
        if user is not None
    ]
