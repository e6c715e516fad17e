"""From a draft limit policy to the one in use: drafts, proposal, a simulation on the whole book, a second person.

The life is that of every version (scoring/versions.py, scoring/segment_policies.py); once published, the book is
compared with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from types import MappingProxyType
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from creditdesk.core.jobs import plan_jobs
from creditdesk.core.models import User
from customers.models import CreditSegment
from scoring.models import LimitPolicy
from scoring.policies import AMOUNTS, PLAIN, fingerprint, terms_of
from scoring.ranges import account_ranges
from scoring.segment_policies import PolicyError, SegmentPolicies

TERMS = tuple(dict.fromkeys(name for name in (*PLAIN, *AMOUNTS, "currency") if name != "version"))
GRADE_TERMS = ("ceiling", "need_percent", "own_risk", "review_months")
CAUSE_TERMS = ("threshold", "window_days", "least_amount", "keep_percent", "is_immediate")

# Title, and the fields below it.
SECTIONS: tuple[tuple[Any, tuple[str, ...]], ...] = (
    (
        gettext_lazy("Caps"),
        (
            *("currency", "buffer_days", "capacity_percent", "bank_percent", "agency_percent"),
            *("concentration_percent", "concentration_from_customers", "group_ceiling"),
        ),
    ),
    (
        gettext_lazy("How far and how fast"),
        (
            *("step", "max_rise_percent", "cool_down_days", "year_rises", "year_rise_percent"),
            *("material_percent", "material_amount"),
        ),
    ),
    (
        gettext_lazy("Gates of a rise"),
        (
            *("rise_max_days_past_due", "gate_promise_days", "gate_event_days", "gate_score_fall"),
            "gate_use_percent",
        ),
    ),
    (gettext_lazy("Rises that wait for nobody"), ("auto_rise_amount", "auto_limit_amount")),
    (gettext_lazy("Loss, reviews, warnings"), ("loss_percent", "review_months_unscored", "warn_days")),
)
Named = Mapping[str, Mapping[str, Any]]


class LimitPolicies(SegmentPolicies[LimitPolicy]):
    model = LimitPolicy
    act = "limit_policy"
    terms = TERMS
    sections = SECTIONS
    row_keys = frozenset({"grade", "kind"})
    rows = MappingProxyType({"grades": ("grade", *GRADE_TERMS), "causes": ("kind", *CAUSE_TERMS)})

    def row_name(self, relation: str, row: Any) -> str:
        return str(row.grade if relation == "grades" else row.kind)

    def row_title(self, relation: str, row: Any) -> Any:
        if relation == "grades":
            return _("Grade %s") % row.grade
        return _("Cause: %s") % row.get_kind_display()

    def is_unasked(self, row: Any, name: str, value: Any) -> bool:
        return value == 0 and (name.startswith("gate_") or name in ("bank_percent", "agency_percent"))

    def fingerprint(self, policy: LimitPolicy) -> str:
        return fingerprint(terms_of(policy))

    def simulate_range(self, policy: LimitPolicy, as_of: date, low: int, high: int) -> dict[str, Any]:
        from scoring.policy_simulation import simulate  # which asks this module what a policy says

        return simulate(policy, as_of, low, high)

    def check_complete(self, version: LimitPolicy) -> None:
        check_grades(version)

    def after_publishing(self, version: LimitPolicy, as_of: date) -> None:
        if version.valid_from > as_of:  # the night of its first day compares the book with it
            return
        keys = [f"{low}-{high}" for low, high in account_ranges()]
        plan_jobs(
            f"limits-policy-{version.pk}", keys, as_of, "scoring.limit_tasks.propose_range", cluster="bulk"
        )


def check_grades(policy: Any) -> None:
    """Raises PolicyError unless the policy says something of every grade."""
    missing = sorted(set("ABCDE") - {row.grade for row in policy.grades.all()})
    if missing:
        raise PolicyError("no_grade", _("The policy says nothing about grade %s.") % ", ".join(missing))


LIFE = LimitPolicies()
PROPOSE, PUBLISH = LIFE.propose_permission, LIFE.publish_permission
propose_policy, send_back_policy, publish_policy = LIFE.propose, LIFE.send_back, LIFE.publish
delete_draft, simulation_of = LIFE.delete_draft, LIFE.simulation_of


def copy_policy(
    policy: LimitPolicy, *, by: User, as_of: date, segment: CreditSegment | None = None, own: bool = False
) -> LimitPolicy:
    """A draft that says what any version says, as the next version of its segment.

    own: for `segment` instead, which then gets a policy of its own.
    """
    return LIFE.copy(policy, by=by, as_of=as_of, **({"segment": segment} if own else {}))


def change_policy(
    policy: LimitPolicy,
    *,
    by: User,
    as_of: date,
    terms: Mapping[str, Any] | None = None,
    grades: Named | None = None,
    causes: Named | None = None,
) -> LimitPolicy:
    """Set terms of a draft; grades {grade: {column: value}} and causes {kind: ...}, where given, replace those there are.

    Raises PolicyError, and ValidationError for values out of bounds.
    """
    rows = {}
    for relation, key, given in (("grades", "grade", grades), ("causes", "kind", causes)):
        if given is not None:
            rows[relation] = [{key: name, **values} for name, values in given.items()]
    return LIFE.change(policy, by=by, as_of=as_of, terms=terms, rows=rows)
