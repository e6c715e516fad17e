"""Why an account is not chased today. Codes with parameters, said in words by `say_hold`."""

from __future__ import annotations

from datetime import date
from typing import Any

from django.utils.translation import gettext as _

from worklists.ranking import SMALL_AMOUNT, minor_units
from worklists.situations import Situation
from worklists.wording import amount, day, said

Hold = tuple[str, dict[str, Any]]


def hold_of(situation: Situation) -> Hold | None:
    """The reason nobody should contact this account today; None when it belongs on a worklist."""
    s = situation
    if s.is_legal:
        return None
    if not s.items:
        return "nothing_overdue", {}
    if s.promise_today is not None:
        return None
    if s.collectable_minor == 0:
        return _all_held(s)
    if s.collectable_minor < minor_units(SMALL_AMOUNT, s.company_currency):
        return "small_amount", {"minor": s.collectable_minor, "currency": s.company_currency}
    if s.next_contact_on is not None and not s.something_new:
        return "recent_contact", {"on": s.last_contact_on, "again_on": s.next_contact_on}
    return None


def _all_held(s: Situation) -> Hold:
    kinds = {
        "blocked": sum(item.open_minor for item in s.items if item.blocked),
        "promised": sum(min(item.promised, item.open_minor) for item in s.items),
        "disputed": sum(min(item.disputed, item.open_minor) for item in s.items),
    }
    if kinds["blocked"] and s.blocked_until:
        return "all_blocked", {"until": s.blocked_until}
    code = max(("promised", "disputed"), key=lambda name: kinds[name])
    return f"all_{code}", {"minor": kinds[code], "currency": s.items[0].currency}


def say_hold(code: str, params: dict[str, Any]) -> str:
    """The reason in the reader's language."""
    texts = {
        "not_judged": _(
            "No import has said up to which day the ledger is complete, so nobody can be called late: set "
            "the day with the next import."
        ),
        "nothing_overdue": _("Nothing is overdue."),
        "nothing_open": _("Nothing is open."),
        "beyond_complete": _(
            "%(amount)s became overdue after %(complete)s, the day up to which the ledger is complete: a payment "
            "may have come that is not imported yet."
        ),
        "legal_nothing_due": _("Handed to the legal lane, and nothing is overdue: there is nothing to do."),
        "no_rate": _(
            "What is overdue is in a currency without an exchange rate (%(pairs)s), so it weighs nothing: "
            "import a rate, then build again."
        ),
        "new_today": _("Became worth a contact since the lists were built; joins with the next build."),
        "on_legal_lane": _("Is in the legal lane of %(collector)s, number %(rank)s."),
        "next_due": _("Nothing is overdue; %(amount)s falls due on %(day)s."),
        "all_promised": _("All that is overdue is promised (%(amount)s) and the promise is not broken."),
        "all_disputed": _("All that is overdue is in dispute (%(amount)s)."),
        "all_blocked": _("Reminders are blocked until %(until)s."),
        "small_amount": _("Only %(amount)s could be asked for: less than a contact costs."),
        "recent_contact": _("Was contacted on %(on)s; next contact from %(again_on)s."),
        "snoozed": _("Held until %(until)s."),
        "done": _("Was worked today: %(what)s."),
        "skipped": _("Was skipped today."),
        "not_built": _("Today's worklists have not been built yet."),
        "left": _("Was settled, promised or disputed since this morning."),
        "on_list": _("Is on the list of %(collector)s at rank %(rank)s."),
        "on_nobodys_list": _("Is on the list of accounts without a collector, at rank %(rank)s."),
    }
    values: dict[str, Any] = {}
    for key, value in params.items():
        values[key] = day(value) if _is_day(value) else value
    if "minor" in params:
        values["amount"] = amount(params["minor"], params["currency"])
    return said(texts[code], values)


def _is_day(value: Any) -> bool:
    if isinstance(value, date):
        return True
    return isinstance(value, str) and len(value) == 10 and value[4] == value[7] == "-"
