"""What a failing check says to a salesperson: why, what is missing, what cures it, whom to ask. In the reader's language.

Results store codes and parameters; sentences are made where somebody reads them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from creditdesk.core.money import Money, format_money
from creditdesk.core.wording import day, percent_of_100
from customers.checks import LEVELS, CheckResult, Failure
from customers.models import CreditHold, Customer

REASONS: dict[str, Any] = {
    "no_limit": _("%(customer)s has no credit limit yet."),
    "limit_zero": _("The credit limit of %(customer)s is zero: no new business."),
    "over_limit": _(
        "%(customer)s would owe %(would)s and may owe %(allowed)s: %(missing)s too much (limit %(limit)s, "
        "owed and ordered %(exposure)s, reserved %(reserved)s)."
    ),
    "over_limit_total": _(
        "%(customer)s would owe all our companies together %(would)s (%(members)s accounts) and may owe %(allowed)s: "
        "%(missing)s too much."
    ),
    "over_limit_group": _(
        "The group of %(customer)s (%(members)s accounts) would owe %(would)s and may owe %(allowed)s: %(missing)s "
        "too much."
    ),
    "over_own_risk": _(
        "%(uncovered)s of this would be at our own risk, on top of %(at_risk)s; at most %(most)s may be. Cover would pay "
        "%(left)s."
    ),
    "needs_cover": _(
        "%(leans)s of this goes beyond the %(unsecured)s that are free at our own risk; %(secured)s of cover remain."
    ),
    "oldest_item": _(
        "%(customer)s owes %(amount)s that is more than %(allowed)s days late; the oldest invoice is %(days)s days late."
    ),
    "past_due_share": _(
        "%(overdue)s of the %(open)s that %(customer)s owes is late (%(share)s; allowed %(allowed_share)s)."
    ),
    "broken_promise": _("%(customer)s promised to pay and did not: %(amount)s is missing since %(on)s."),
    "dunning_level": _("%(customer)s was sent reminder number %(level)s and has not paid what it asks for."),
    "status": _("%(customer)s is %(status)s."),
    "hold": _("Business with %(customer)s is stopped: %(reason)s."),
    "order_size": _("%(amount)s is more than one order may be worth (%(largest)s)."),
    "grade": _("%(customer)s is graded %(grade)s; %(worst)s is the worst that passes."),
    "score": _("The score of %(customer)s is %(score)s; at least %(least)s is needed."),
    "unscored": _("%(customer)s has no current score."),
    "last_payment": _("%(customer)s last paid %(days)s days ago and owes %(overdue)s that is late."),
    "never_paid": _("%(customer)s has never paid yet and owes %(overdue)s that is late."),
}

CURES: dict[str, Any] = {
    "set_limit": _("A credit limit has to be decided; at least %(amount)s is needed for this order."),
    "ask_limit": _("Only a higher limit cures it; a person has to decide."),
    "pay_or_smaller": _(
        "An order of up to %(fits)s passes now; or a payment of %(missing)s makes room for all of it."
    ),
    "pay_or_limit": _("A payment of %(missing)s makes room, or a higher limit."),
    "ask_guarantee": _(
        "A guarantee or cover of %(missing)s is asked, or a payment; an order of up to %(fits)s passes now."
    ),
    "confirm_cover": _(
        "A guarantee is asked: have cover of %(missing)s confirmed for this order; up to %(own)s needs none."
    ),
    "more_cover": _("A guarantee of %(missing)s is asked, %(beyond)s more than the cover that remains."),
    "pay_items": _("A payment of %(amount)s of the oldest invoices cures it."),
    "pay_overdue": _("A payment of %(amount)s of what is late cures it."),
    "keep_promise": _("The promised %(amount)s has to arrive."),
    "pay_reminded": _("The reminded invoices have to be paid."),
    "ask_status": _("The status of the customer has to change first."),
    "release_hold": _("Somebody has to release the hold of the customer."),
    "release_order": _("An order of up to %(largest)s passes; a larger one has to be released by a person."),
    "review_score": _("A person has to look at the score and release the order."),
    "score_customer": _("The customer has to be scored first."),
}

ASK = {
    "collector": _("Ask %(name)s, who collects from this customer."),
    "controller": _("Ask a credit controller."),
    "approver": _("Ask an approver of credit."),
}


@dataclass(frozen=True, slots=True)
class Explained:
    """One failure in words. link: the address of the page that shows the figures (no host)."""

    level: str
    rule: str
    stops: bool
    reason: str
    cure: str
    ask: str
    link: str
    missing: Money | None


def explain_failure(failure: Failure) -> Explained:
    values = {name: _text(name, value) for name, value in failure.params.items()}
    values["customer"] = failure.customer
    code = failure.code
    if code == "over_limit":
        values |= _over(failure.params)
        if failure.level in ("group", "total"):
            code = f"over_limit_{failure.level}"
    cure = CURES.get(failure.cure)
    return Explained(
        level=failure.level,
        rule=failure.rule,
        stops=failure.stops,
        reason=str(REASONS[code]) % values if code in REASONS else code,
        cure=str(cure) % {n: _text(n, v) for n, v in failure.cure_params.items()} if cure else "",
        ask=str(ASK[failure.ask]) % {"name": failure.ask_name},
        link=_link(failure),
        missing=failure.missing,
    )


def explain_check(result: CheckResult) -> list[Explained]:
    """Every failing rule in words, what stops first."""
    return [explain_failure(failure) for failure in sorted(result.failures, key=lambda f: not f.stops)]


def message(result: CheckResult) -> str:
    """One sentence or two for whoever has the customer on the telephone."""
    if result.passes:
        return f"{gettext('The credit check passes.')} {tightest(result)}".strip()
    first = explain_failure(result.stopping[0])
    more = len(result.stopping) - 1
    text = f"{first.reason} {first.cure} {first.ask}"
    if more:
        text += " " + gettext("%(count)s more to be cured, see below.") % {"count": more}
    return text


def tightest(result: CheckResult) -> str:
    """Where several limits bind: which of them is the tightest, and what it leaves after this business."""
    room = result.tightest
    if room is None or room.free is None or len(result.rooms) < 2:
        return ""
    return gettext(
        "The tightest limit is that of %(level)s (%(customer)s): it leaves %(left)s after this."
    ) % {
        "level": LEVELS[room.level],
        "customer": room.customer,
        "left": format_money(room.free - room.new),
    }


def _over(params: Mapping[str, Any]) -> dict[str, str]:
    def minor(name: str) -> int:
        return int(params[name]["minor"])

    if params["limit"] is None:  # not for this reader
        return dict.fromkeys(("would", "allowed"), "—")
    currency = params["limit"]["currency"]
    would = minor("exposure") + minor("reserved") + minor("new") - minor("disputed")
    return {
        "would": format_money(Money(would, currency)),
        "allowed": format_money(Money(would - minor("missing"), currency)),
    }


def _text(name: str, value: Any) -> str:
    if value is None:
        return "—"
    if isinstance(value, Mapping) and "minor" in value:
        return format_money(Money(int(value["minor"]), value["currency"]))
    if name == "on" and isinstance(value, str):
        return day(date.fromisoformat(value))
    if name == "status":
        return str(dict(Customer.Status.choices).get(value, value))
    if name == "reason":
        return CreditHold(reason_code=value).reason_text
    if name in ("share", "allowed_share"):
        return percent_of_100(int(value))
    return str(value)


def _link(failure: Failure) -> str:
    try:
        url = reverse("desk:customer", args=[failure.customer_id])
    except NoReverseMatch:  # an installation without the pages
        return ""
    return f"{url}?account={failure.account_id}" if failure.account_id else url
