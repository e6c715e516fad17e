"""The credit check policy pages, and a simulation of one as it is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from creditdesk.core.money import Money
from customers.access import visible_accounts
from scoring.check_policy_forms import CheckPolicyForms
from scoring.checks.publishing import LIFE
from scoring.models import CheckRuleCode
from scoring.segment_policy_views import SegmentPolicyPages

SHOWN = 20


@dataclass(frozen=True, slots=True)
class Line:
    label: str
    in_use: Any
    draft: Any
    note: str = ""


class CheckPolicyPages(SegmentPolicyPages):
    prefetched = ("rules", "reports")
    report_template = "versions/check_effect.html"
    title = gettext_lazy("Credit check policies")
    intro = gettext_lazy(
        "Which rules an order, a delivery or an invoice has to pass, with which thresholds, at which points. A version in "
        "use never changes: copy it, see on the open orders what the draft would decide otherwise, and have a second "
        "person publish it."
    )

    def forms(self, policy: Any, data: Any) -> CheckPolicyForms:
        return CheckPolicyForms(policy, data)

    def figures(self, request: HttpRequest, report: Any) -> dict[str, Any]:
        figures = report.figures
        orders, changed = figures["orders"], figures["changed"]
        stopped = figures["stopped"]
        movers = figures["movers"]
        accounts = visible_accounts(request.user).filter(pk__in=[m["account"] for m in movers])
        seen = {account.pk: account for account in accounts.select_related("customer")}
        return {
            "orders": orders["accepted"] + orders["held"],
            "no_rate": figures["no_rate"],
            "headline": _headline(changed["stops_accepted"], changed["passes_held"]),
            "lines": [
                Line(_("accepted orders that do not pass"), *_both(stopped, "accepted")),
                Line(_("orders on hold that do not pass"), *_both(stopped, "held")),
                *(
                    Line(_("stopped by: %s") % CheckRuleCode(code).label, *_both(figures["rules"], code))
                    for code in CheckRuleCode.values
                    if any(_both(figures["rules"], code))
                ),
            ],
            "money": [
                (Money(sums["stops"], currency), Money(sums["passes"], currency))
                for currency, sums in sorted(figures["money"].items())
            ],
            "movers": [
                {
                    **m,
                    "who": seen[m["account"]],
                    "amount": Money(m["amount"], m["currency"]),
                    "rules": ", ".join(str(CheckRuleCode(code).label) for code in m["rules"]),
                }
                for m in movers
                if m["account"] in seen
            ][:SHOWN],
        }


def _headline(stops: int, passes: int) -> str:
    stopped = ngettext(
        "%(n)s accepted order would be stopped", "%(n)s accepted orders would be stopped", stops
    )
    passing = ngettext("%(n)s order on hold would pass", "%(n)s orders on hold would pass", passes)
    return f"{stopped % {'n': stops}}, {passing % {'n': passes}}"


def _both(states: dict[str, dict[str, int]], name: str) -> tuple[int, int]:
    return states["in_use"].get(name, 0), states["draft"].get(name, 0)


pages = CheckPolicyPages(LIFE, "checkpolicies")
