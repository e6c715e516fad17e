"""Why cover is not worth more, in the reader's language."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from creditdesk.core.wording import day
from customers import cover_terms as terms
from customers.cover_terms import CoverPart, Exclusion


def say_exclusion(one: Exclusion) -> str:
    """The term that leaves this amount unprotected, without the amount."""
    params: dict[str, Any] = {"day": day(one.on) if one.on else "", "days": one.days or 0}
    if one.code == terms.LONG_TERMS:
        return (
            ngettext(
                "invoices with terms longer than %(days)s day",
                "invoices with terms longer than %(days)s days",
                params["days"],
            )
            % params
        )
    if one.code == terms.NOT_NOTIFIED:
        return (
            ngettext(
                "overdue invoices not notified within %(days)s day",
                "overdue invoices not notified within %(days)s days",
                params["days"],
            )
            % params
        )
    texts = {
        terms.WITHDRAWN: _("shipped after cover was withdrawn on %(day)s"),
        terms.ENDS_BEFORE: _("to be shipped after the cover ends on %(day)s"),
        terms.STOPPED: _("shipped after %(day)s, when an invoice had been overdue for %(days)s days"),
        terms.DISPUTED: _("disputed"),
        terms.ABOVE: _("beyond the covered amount"),
        terms.OWN_SHARE: _("our own share"),
        terms.HAIRCUT: _("haircut"),
    }
    return texts[one.code] % params


def say_why_not(part: CoverPart) -> str:
    """Why the cover counts for nothing; "" when it counts."""
    texts = {
        terms.EXPIRED: _("expired on %(day)s"),
        terms.NO_GUARANTOR: _("%(guarantor)s is insolvent or closed"),
        terms.REPLACED: _("the insurer has decided: its own limit counts"),
    }
    if not part.why_not:
        return ""
    return texts[part.why_not] % {
        "day": day(part.why_on) if part.why_on else "",
        "guarantor": part.cover.guarantor or "",
    }
