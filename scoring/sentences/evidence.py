"""Sentences of disputes, the relationship, legal events, accounts, group, sector and weak signals."""

from __future__ import annotations

from datetime import date, timedelta

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop, ngettext

from creditdesk.core.wording import day, fixed, percent

from .wording import Sentence, counted, either, moved, one_decimal, per_hundred, share_of, two_decimals


def _disputed(value: float, _as_of: date, _judged: date) -> str:
    return _("%s of a year's invoices is in dispute now.") % percent(value)


def _dispute_rate(value: float, _as_of: date, _judged: date) -> str:
    return _("There were %s disputes per 100 invoices in the last 12 months.") % fixed(value * 100, 0)


def _credits(value: float, _as_of: date, _judged: date) -> str:
    return _("%s of a year's invoices was credited.") % percent(value)


def _relationship(value: float, _as_of: date, _judged: date) -> str:
    if value >= 24:
        return _("Customer for %s years.") % (int(value) // 12)
    return ngettext("Customer for %s month.", "Customer for %s months.", int(value)) % int(value)


def _idle(value: float, as_of: date, _judged: date) -> str:
    return _("The last invoice was issued on %s.") % day(as_of - timedelta(days=int(value)))


def _legal(value: float, _as_of: date, _judged: date) -> str:
    if not value:
        return _("No protest, lien or litigation is known.")
    return ngettext(
        "%s protest, lien or litigation was recorded in the last 24 months.",
        "%s protests, liens or litigations were recorded in the last 24 months.",
        int(value),
    ) % int(value)


def _insolvent(value: float, as_of: date, _judged: date) -> str:
    if value:
        return _("Insolvency proceedings are open on %s.") % day(as_of)
    return _("No insolvency proceedings are known.")


def _turnover(value: float, _as_of: date, _judged: date) -> str:
    if value >= 10:
        return _("Purchases of the last half-year are ten times those of the half-year before, or more.")
    return _("Purchases of the last half-year are %s of those of the half-year before.") % percent(value, 0)


def _age(value: float, _as_of: date, _judged: date) -> str:
    if value >= 24:
        return _("The company is %s years old.") % (int(value) // 12)
    return ngettext("The company is %s month old.", "The company is %s months old.", int(value)) % int(value)


def _gap(value: float, _as_of: date, _judged: date) -> str:
    figure = fixed(abs(value), 2)
    if value >= 0:
        return _("Altman Z'' is %s above the median of its sector among our customers.") % figure
    return _("Altman Z'' is %s below the median of its sector among our customers.") % figure


def _z(value: float, _as_of: date, _judged: date) -> str:
    figure = fixed(value, 2)
    if value < 1.1:
        return _("Altman Z'' is %s: below 1.1, the zone of distress.") % figure
    if value > 2.6:
        return _("Altman Z'' is %s: above 2.6, the safe zone.") % figure
    return _("Altman Z'' is %s: the grey zone from 1.1 to 2.6.") % figure


def _z_change(value: float, _as_of: date, _judged: date) -> str:
    figure = fixed(abs(value), 2)
    if value >= 0:
        return _("Altman Z'' rose by %s against the year before.") % figure
    return _("Altman Z'' fell by %s against the year before.") % figure


def _growth(value: float, _as_of: date, _judged: date) -> str:
    figure = percent(abs(value))
    if value >= 0:
        return _("Revenue grew by %s against the year before.") % figure
    return _("Revenue shrank by %s against the year before.") % figure


SENTENCES: dict[str, Sentence] = {
    "disputed_share": _disputed,
    "dispute_rate": _dispute_rate,
    "credit_share": _credits,
    "disputes_open": counted(gettext_noop("No dispute is open."), gettext_noop("Open disputes: %s.")),
    "oldest_dispute_days": counted(
        gettext_noop("No dispute is open."), gettext_noop("The oldest open dispute is %s days old.")
    ),
    "credit_rate": per_hundred(
        gettext_noop("There were %s credit notes per 100 invoices in the last 12 months.")
    ),
    "relationship_months": _relationship,
    "days_since_invoice": _idle,
    "open_months": one_decimal(gettext_noop("What is open equals %s months of its purchases.")),
    "turnover_trend": _turnover,
    "active_quarters_12m": counted(
        gettext_noop("It bought nothing in the last four quarters."),
        gettext_noop("It bought in %s of the last four quarters."),
    ),
    "turnover_swing": share_of(
        gettext_noop("Its best and its weakest quarter differ by %s of a year's purchases.")
    ),
    "revenue_share": share_of(gettext_noop("It makes %s of our revenue of the last 12 months.")),
    "legal_marks_24m": _legal,
    "insolvent": _insolvent,
    "protests_24m": counted(
        gettext_noop("No protested bill is known."),
        gettext_noop("Protested bills in the last 24 months: %s."),
    ),
    "liens_24m": counted(
        gettext_noop("No lien or pledge is known."),
        gettext_noop("Liens and pledges in the last 24 months: %s."),
    ),
    "litigation_24m": counted(
        gettext_noop("No litigation is known."), gettext_noop("Lawsuits in the last 24 months: %s.")
    ),
    "struck_off": either(
        gettext_noop("It is not known to be struck off the register."),
        gettext_noop("It was struck off the register."),
    ),
    "insolvency_over": either(
        gettext_noop("No insolvency in the past is known."),
        gettext_noop("It went through insolvency proceedings, now over."),
    ),
    "address_changes_24m": counted(
        gettext_noop("No change of registered office is known."),
        gettext_noop("Changes of registered office in the last 24 months: %s."),
    ),
    "company_age_months": _age,
    "director_changes_18m": counted(
        gettext_noop("No change of director is known."),
        gettext_noop("Changes of director in the last 18 months: %s."),
    ),
    "pledge_after_director": either(
        gettext_noop("No pledge followed a change of director."),
        gettext_noop("Assets were pledged within 180 days of a change of director."),
    ),
    "current_ratio": two_decimals(gettext_noop("Current assets are %s times current liabilities.")),
    "working_capital_share": share_of(gettext_noop("Working capital is %s of total assets.")),
    "equity_ratio": share_of(gettext_noop("Equity is %s of total assets.")),
    "debt_ratio": share_of(gettext_noop("Liabilities are %s of total assets.")),
    "net_margin": share_of(gettext_noop("Net income is %s of revenue.")),
    "ebit_margin": share_of(gettext_noop("EBIT is %s of revenue.")),
    "return_on_assets": share_of(gettext_noop("EBIT is %s of total assets.")),
    "asset_turnover": two_decimals(gettext_noop("A year's revenue is %s times total assets.")),
    "altman_z": _z,
    "altman_z_gap": _gap,
    "altman_z_change": _z_change,
    "equity_ratio_change": moved(
        gettext_noop("The equity ratio rose by %s points against the year before."),
        gettext_noop("The equity ratio fell by %s points against the year before."),
    ),
    "ebit_margin_change": moved(
        gettext_noop("The EBIT margin rose by %s points against the year before."),
        gettext_noop("The EBIT margin fell by %s points against the year before."),
    ),
    "revenue_growth": _growth,
    "negative_equity": either(
        gettext_noop("Equity is not below zero."),
        gettext_noop("Equity is below zero: more is owed than owned."),
    ),
    "statement_age_months": counted(
        gettext_noop("The accounts are of this month."),
        gettext_noop("The latest accounts are %s months old."),
    ),
    "group_score": one_decimal(
        gettext_noop("The other members of its group scored %s on average the evening before.")
    ),
    "group_days_late": one_decimal(
        gettext_noop("The other members of its group pay %s days late on average.")
    ),
    "group_overdue_share": share_of(
        gettext_noop("%s of what fell due at the other members of its group is overdue.")
    ),
    "group_insolvent": counted(
        gettext_noop("No other member of its group is insolvent."),
        gettext_noop("Insolvent members of its group: %s."),
    ),
    "sector_late_share": share_of(
        gettext_noop("Our customers of its sector pay %s of their debt late on average.")
    ),
    "sector_days_late": one_decimal(gettext_noop("Our customers of its sector pay %s days late on average.")),
}
