"""Sentences of credit agencies' reports, without names; scoring/agency_words.py says who said it and when."""

from __future__ import annotations

from datetime import date

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop, ngettext

from creditdesk.core.wording import percent

from .wording import Sentence, counted, either


def _standing(value: float, _as_of: date, _judged: date) -> str:
    return _("Credit agencies rate it %s of 100, where 100 is safest.") % int(value)


def _pd(value: float, _as_of: date, _judged: date) -> str:
    return _("A credit agency puts its probability of default within a year at %s.") % percent(value)


def beyond_terms(value: float) -> str:
    """What an agency sees, as a clause."""
    if value > 0:
        return ngettext(
            "it pays others %s day after they are due",
            "it pays others %s days after they are due",
            int(value),
        ) % int(value)
    return _("it pays others when they are due or before")


def _beyond(value: float, _as_of: date, _judged: date) -> str:
    return _("As credit agencies see it, %s.") % beyond_terms(value)


def _fall(value: float, _as_of: date, _judged: date) -> str:
    if value > 0:
        return _("Its standing with a credit agency fell by %s points within about a year.") % int(value)
    return _("Its standing with credit agencies did not fall within about a year.")


SENTENCES: dict[str, Sentence] = {
    "bureau_standing": _standing,
    "bureau_pd": _pd,
    "bureau_days_beyond_terms": _beyond,
    "bureau_inactive": either(
        gettext_noop("Credit agencies see it in business."),
        gettext_noop("A credit agency sees its business dormant or ceased."),
    ),
    "bureau_ceased": either(
        gettext_noop("No credit agency says that its business has ceased."),
        gettext_noop("A credit agency says that its business has ceased."),
    ),
    "bureau_fall_12m": _fall,
    "bureau_report_age_months": counted(
        gettext_noop("The newest agency report is of this month."),
        gettext_noop("The newest agency report is %s months old."),
    ),
    "bureau_apart": counted(
        gettext_noop("The credit agencies agree on its standing."),
        gettext_noop("The credit agencies differ by %s points on its standing."),
    ),
    "bureau_agencies": counted(
        gettext_noop("No credit agency that was asked rates it."),
        gettext_noop("Credit agencies that rate it: %s."),
    ),
    "bureau_not_found": either(
        gettext_noop("A credit agency knows it."),
        gettext_noop("The credit agencies asked do not know it."),
    ),
}
