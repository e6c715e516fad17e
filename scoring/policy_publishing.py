"""From a draft limit policy to the one in use: drafts, proposal, a simulation on the whole book, a second person.

Whoever made, edited or proposed a version cannot publish it (the proposer by a CHECK, the others here). It is published
only with a simulation of exactly what it says, kept as evidence and not older than SIMULATED_WITHIN. One verb, one
function, one transaction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Max
from django.utils import timezone
from django.utils.translation import gettext as _

from creditdesk.core.audit import Actor, Change, record_act
from creditdesk.core.jobs import plan_jobs
from creditdesk.core.models import User
from creditdesk.core.money import Money
from customers.models import CreditSegment
from scoring.models import (
    LimitPolicy,
    LimitPolicyCause,
    LimitPolicyEditor,
    LimitPolicyGrade,
    PolicyReport,
)
from scoring.policies import AMOUNTS, PLAIN, fingerprint, terms_of
from scoring.ranges import account_ranges

PROPOSE = "scoring.propose_limitpolicy"
PUBLISH = "scoring.publish_limitpolicy"
SIMULATED_WITHIN = timedelta(days=7)
Status = LimitPolicy.Status

TERMS = tuple(name for name in (*PLAIN, *AMOUNTS, "currency") if name != "version")
GRADE_TERMS = ("ceiling", "need_percent", "own_risk", "review_months")
CAUSE_TERMS = ("threshold", "window_days", "least_amount", "keep_percent", "is_immediate")
Rows = Mapping[str, Mapping[str, Any]]


class PolicyError(ValueError):
    """A policy that cannot be edited, proposed or published; the text says why and what to do.

    code: not_allowed, own_proposal, edited_it, not_draft, not_proposed, no_reason, not_simulated, no_grade.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@transaction.atomic
def copy_policy(
    policy: LimitPolicy, *, by: User, as_of: date, segment: CreditSegment | None = None, own: bool = False
) -> LimitPolicy:
    """A draft that says what any version says, as the next version of its segment.

    own: for `segment` instead, which then gets a policy of its own.
    """
    check_permission(by, PROPOSE)
    target = segment if own else policy.segment
    newest = LimitPolicy.objects.filter(segment=target).aggregate(v=Max("version"))["v"]
    draft = LimitPolicy.objects.create(
        segment=target,
        version=(newest or 0) + 1,
        valid_from=as_of,
        based_on=policy,
        created_by=by,
        **{name: getattr(policy, name) for name in dict.fromkeys(TERMS)},
    )
    LimitPolicyGrade.objects.bulk_create(
        LimitPolicyGrade(
            policy=draft, grade=row.grade, **{name: _minor(getattr(row, name)) for name in GRADE_TERMS}
        )
        for row in policy.grades.all()
    )
    LimitPolicyCause.objects.bulk_create(
        LimitPolicyCause(
            policy=draft, kind=row.kind, **{name: _minor(getattr(row, name)) for name in CAUSE_TERMS}
        )
        for row in policy.causes.all()
    )
    record_act(
        "limit_policy.copied",
        actor=Actor.person(by),
        subject=draft,
        business_date=as_of,
        data={"from": policy.pk, "version": draft.version, "segment": draft.segment_id},
    )
    return draft


@transaction.atomic
def change_policy(
    policy: LimitPolicy,
    *,
    by: User,
    as_of: date,
    terms: Mapping[str, Any] | None = None,
    grades: Rows | None = None,
    causes: Rows | None = None,
) -> LimitPolicy:
    """Set terms of a draft; grades and causes, where given, replace the rows there are.

    grades: {grade: {column: value}}; causes: {kind: {column: value}}. Raises PolicyError, and ValidationError for values
    out of bounds.
    """
    locked = _editable(policy, by)
    unknown = set(terms or {}) - set(TERMS)
    if unknown:
        raise ValueError(f"not a term of a limit policy: {sorted(unknown)}")
    before = _said(locked)
    for name, value in (terms or {}).items():
        setattr(locked, name, value)
    locked.full_clean(exclude=["version"])
    locked.save()
    if grades is not None:
        locked.grades.all().delete()
        for grade, values in grades.items():
            _checked(LimitPolicyGrade(policy=locked, grade=grade, **values)).save()
    if causes is not None:
        locked.causes.all().delete()
        for kind, values in causes.items():
            _checked(LimitPolicyCause(policy=locked, kind=kind, **values)).save()
    locked = LimitPolicy.objects.get(pk=locked.pk)
    after = _said(locked)
    changed = {name for name in after if before.get(name) != after[name]}
    if changed:
        change = Change.of(
            locked, {name: before.get(name) for name in changed}, {name: after[name] for name in changed}
        )
        record_act(
            "limit_policy.edited",
            actor=Actor.person(by),
            subject=locked,
            business_date=as_of,
            changes=[change],
        )
    return locked


@transaction.atomic
def delete_draft(policy: LimitPolicy, *, by: User, as_of: date) -> None:
    """Throw a draft away with its simulations; the audit trail keeps that it existed."""
    locked = _editable(policy, by)
    record_act(
        "limit_policy.draft_deleted",
        actor=Actor.person(by),
        subject=locked,
        business_date=as_of,
        data={"version": locked.version, "segment": locked.segment_id},
    )
    locked.delete()


@transaction.atomic
def propose_policy(policy: LimitPolicy, *, by: User, reason: str, as_of: date) -> LimitPolicy:
    """Put a draft before a second person; from now on what it says is frozen (triggers)."""
    check_permission(by, PROPOSE)
    if not reason.strip():
        raise PolicyError("no_reason", _("Say why this policy should replace the one in use."))
    locked = _lock(policy)
    if locked.status != Status.DRAFT:
        raise PolicyError("not_draft", _("Only a draft can be proposed."))
    missing = sorted(set("ABCDE") - {row.grade for row in locked.grades.all()})
    if missing:
        raise PolicyError("no_grade", _("The policy says nothing about grade %s.") % ", ".join(missing))
    return _move(
        locked,
        "limit_policy.proposed",
        Actor.person(by),
        as_of,
        note=reason,
        status=Status.PROPOSED,
        proposed_by=by,
        proposed_at=timezone.now(),
        proposal_reason=reason.strip(),
        decided_by=None,
        decision_reason="",
    )


@transaction.atomic
def send_back_policy(policy: LimitPolicy, *, by: User, reason: str, as_of: date) -> LimitPolicy:
    """Make a proposed policy a draft again: its proposer withdraws it, or a second person sends it back."""
    locked = _lock(policy)
    withdrawn = by == locked.proposed_by
    if not withdrawn:
        check_permission(by, PUBLISH)
    if locked.status != Status.PROPOSED:
        raise PolicyError("not_proposed", _("This policy does not wait for anybody any more."))
    if not reason.strip():
        raise PolicyError("no_reason", _("Say why the policy goes back."))
    decided: dict[str, Any] = {} if withdrawn else {"decided_by": by}
    return _move(
        locked,
        "limit_policy.withdrawn" if withdrawn else "limit_policy.sent_back",
        Actor.person(by),
        as_of,
        note=reason,
        status=Status.DRAFT,
        decision_reason=reason.strip(),
        **decided,
    )


def check_may_publish(policy: LimitPolicy, user: User) -> None:
    """Raises PolicyError unless the user may publish this policy: the permission, and a second pair of eyes."""
    check_permission(user, PUBLISH)
    if user in (policy.proposed_by, policy.created_by):
        raise PolicyError(
            "own_proposal", _("Who made or proposed a policy cannot publish it: a second person does.")
        )
    if policy.editors.filter(user=user).exists():
        raise PolicyError("edited_it", _("You worked on this policy: somebody who did not publishes it."))


def simulation_of(policy: LimitPolicy, as_of: date | None = None) -> PolicyReport | None:
    """The newest simulation of exactly what the policy says; with `as_of`, recent enough to publish on."""
    said = fingerprint(terms_of(policy))
    rows = [report for report in policy.reports.all() if report.fingerprint == said]
    if as_of is not None:
        rows = [report for report in rows if as_of - SIMULATED_WITHIN <= report.as_of <= as_of]
    return max(rows, key=lambda report: report.pk, default=None)


@transaction.atomic
def publish_policy(policy: LimitPolicy, *, approver: User, reason: str, as_of: date) -> LimitPolicy:
    """Put a proposed policy into use from `as_of` on, in place of its segment's, and have the book compared with it."""
    locked = _lock(policy)
    if locked.status != Status.PROPOSED:
        raise PolicyError("not_proposed", _("This policy does not wait for anybody any more."))
    check_may_publish(locked, approver)
    if not reason.strip():
        raise PolicyError("no_reason", _("Say why the policy may be used."))
    simulation = simulation_of(locked, as_of)
    if simulation is None:
        raise PolicyError(
            "not_simulated",
            _("Simulate the policy on the whole book first: the last %(days)s days count, as it reads now.")
            % {"days": SIMULATED_WITHIN.days},
        )
    actor = Actor.person(approver)
    in_use = LimitPolicy.objects.select_for_update(of=("self",)).filter(status=Status.ACTIVE)
    for old in in_use.filter(segment=locked.segment_id):
        _move(old, "limit_policy.retired", actor, as_of, status=Status.RETIRED)
    published = _move(
        locked,
        "limit_policy.published",
        actor,
        as_of,
        note=reason,
        data={"simulation": simulation.pk},
        status=Status.ACTIVE,
        valid_from=as_of,
        activated_at=timezone.now(),
        decided_by=approver,
        decision_reason=reason.strip(),
    )
    keys = [f"{low}-{high}" for low, high in account_ranges()]
    plan_jobs(
        f"limits-policy-{published.pk}", keys, as_of, "scoring.limit_tasks.propose_range", cluster="bulk"
    )
    return published


def check_permission(user: User, *permissions: str) -> None:
    """Raises PolicyError "not_allowed" unless the user is active and holds one of the permissions."""
    if not user.is_active or not any(user.has_perm(permission) for permission in permissions):
        raise PolicyError("not_allowed", _("Your role does not allow this."))


def _lock(policy: LimitPolicy) -> LimitPolicy:
    return LimitPolicy.objects.select_for_update(of=("self",)).get(pk=policy.pk)


def _editable(policy: LimitPolicy, by: User) -> LimitPolicy:
    check_permission(by, PROPOSE)
    locked = _lock(policy)
    if locked.status != Status.DRAFT:
        raise PolicyError("not_draft", _("Only a draft can be edited: make a copy of this version."))
    LimitPolicyEditor.objects.get_or_create(policy=locked, user=by)
    return locked


def _checked(row: Any) -> Any:
    row.full_clean(exclude=["policy"])
    return row


def _minor(value: Any) -> Any:
    return value.minor if isinstance(value, Money) else value


def _said(policy: LimitPolicy) -> dict[str, Any]:
    """What a policy says, flat and plain, for the audit trail."""
    said = {name: _minor(getattr(policy, name)) for name in TERMS}
    groups: Sequence[tuple[Any, str, tuple[str, ...]]] = (
        (policy.grades.all(), "grade", GRADE_TERMS),
        (policy.causes.all(), "kind", CAUSE_TERMS),
    )
    for rows, key, names in groups:
        for row in rows:
            said |= {f"{getattr(row, key)}.{name}": _minor(getattr(row, name)) for name in names}
    return said


def _move(
    policy: LimitPolicy,
    act: str,
    actor: Actor,
    as_of: date,
    *,
    note: str = "",
    data: dict[str, Any] | None = None,
    **fields: Any,
) -> LimitPolicy:
    before = {"status": policy.status}
    for name, value in fields.items():
        setattr(policy, name, value)
    policy.save(update_fields=list(fields))
    record_act(
        act,
        actor=actor,
        subject=policy,
        business_date=as_of,
        note=note,
        data={"version": policy.version, "segment": policy.segment_id} | (data or {}),
        changes=[Change.of(policy, before, {"status": policy.status})],
    )
    return policy
