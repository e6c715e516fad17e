"""What credit agencies say of the customer (`ag`: scoring/families/bureau.py): the worst of the agencies' newest words."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from .base import BETTER, WORSE, Family, Signal, Unit

_REPORTS = _("reports of credit agencies, bought or recorded")
_FRESH = _(
    "by the day a report speaks of, as known on the day; 24 months after it the report counts as missing"
)
_NONE = _("no agency stated it within 24 months")
_RATED = _("no agency rated the customer within 24 months")


def _signal(
    name: str,
    label: object,
    unit: str,
    formula: object,
    higher_is: int,
    expression: str,
    *,
    missing: object = _NONE,
    **more: bool,
) -> Signal:
    texts = (label, unit, formula, _REPORTS, _FRESH, missing)
    return Signal(f"bureau_{name}", Family.BUREAU, *texts, higher_is, expression, **more)  # type: ignore[arg-type]


SIGNALS: tuple[Signal, ...] = (
    _signal(
        "standing",
        _("standing with credit agencies"),
        Unit.POINTS,
        _(
            "standing (0 to 100, 100 is safest) in the newest rated report of each agency; of several the lowest"
        ),
        BETTER,
        "ag.standing",
        missing=_RATED,
    ),
    _signal(
        "pd",
        _("probability of default seen by agencies"),
        Unit.SHARE,
        _(
            "probability of default in 12 months in the newest report of each agency that states one; of several the highest"
        ),
        WORSE,
        "ratio(ag.pd, 10000)",
    ),
    _signal(
        "days_beyond_terms",
        _("days beyond terms seen by agencies"),
        Unit.DAYS,
        _(
            "days it pays others after they are due, in the newest report of each agency that states them; of several the most"
        ),
        WORSE,
        "ag.beyond",
    ),
    _signal(
        "inactive",
        _("business dormant or ceased, by an agency"),
        Unit.FLAG,
        _("1 when the newest report of an agency that states the activity says dormant or ceased, else 0"),
        WORSE,
        "CASE WHEN ag.activity > 0 THEN 1 WHEN ag.activity = 0 THEN 0 END",
    ),
    _signal(
        "ceased",
        _("business ceased, by an agency"),
        Unit.FLAG,
        _("1 when the newest report of an agency that states the activity says ceased, else 0"),
        WORSE,
        "CASE WHEN ag.activity > 1 THEN 1 WHEN ag.activity >= 0 THEN 0 END",
    ),
    _signal(
        "fall_12m",
        _("fall of the standing within 12 months"),
        Unit.COUNT,
        _(
            "highest standing an agency gave in the 400 days before its newest rated report, less the standing there; of several agencies the largest fall"
        ),
        WORSE,
        "ag.fall",
        missing=_("no agency rated the customer twice within 13 months, the last time within 24 months"),
        # Who was rated as badly a year ago would look better than who was rated well then.
        carries_points=False,
    ),
    _signal(
        "report_age_months",
        _("age of the newest agency report"),
        Unit.MONTHS,
        _(
            "days since the day of the newest report of an agency that knows the customer × 12 / 365, rounded down"
        ),
        WORSE,
        "days({as_of}, ag.found_on) * 12 / 365",
        missing=_("no agency reported on the customer within 24 months"),
        # A newer report may bring bad news.
        carries_points=False,
    ),
    _signal(
        "apart",
        _("disagreement of credit agencies"),
        Unit.COUNT,
        _("highest less lowest standing in the newest rated reports of the agencies"),
        WORSE,
        "CASE WHEN ag.agencies > 1 THEN ag.apart END",
        missing=_("fewer than two agencies rated the customer within 24 months"),
        # Two agencies that both see the worst agree.
        carries_points=False,
    ),
    _signal(
        "agencies",
        _("agencies that rate the customer"),
        Unit.COUNT,
        _("number of agencies whose newest rated report is not older than 24 months"),
        BETTER,
        "ag.agencies",
        missing=_("no agency answered within 24 months"),
        # More ratings are no better ones.
        carries_points=False,
    ),
    _signal(
        "not_found",
        _("not known to the agencies asked"),
        Unit.FLAG,
        _("1 when every answer of 24 months was that the agency does not know the customer, else 0"),
        WORSE,
        "CASE WHEN ag.customer_id IS NOT NULL THEN CASE WHEN ag.found_on IS NULL THEN 1 ELSE 0 END END",
        missing=_("no agency answered within 24 months"),
        # A bad rating would look better than none.
        carries_points=False,
    ),
)
