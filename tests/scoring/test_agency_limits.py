"""What credit agencies say, in limits: the cap they recommend, and a fallen rating or a ceased business before a person."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import DatabaseError, transaction
from django.utils import timezone

from creditdesk.core.money import Money
from customers.limit_reasons import render_reason
from customers.models import BureauReport, ExchangeRate, ImportBatch
from customers.shown import Shown
from scoring.causes import react_to_causes
from scoring.engine import rescore
from scoring.limit_inputs import recommendations
from scoring.models import AccountScore, LimitPolicy
from tests.factories import make_account
from tests.scoring.test_agencies import AS_OF, report
from tests.scoring.test_automatic_limits import own_policy
from tests.scoring.test_limit_proposals import give_limit, trade

pytestmark = pytest.mark.django_db


@pytest.fixture
def limited(cast):
    """An account with a limit and purchases, whose company's ledger is complete."""
    ImportBatch.objects.create(source=cast.company.sources.get(), complete_through=AS_OF)
    trade(cast.account)
    give_limit(cast.account, 50_000)
    return cast.account


def test_the_limit_an_agency_recommends_is_a_cap_where_the_policy_asks(limited):
    ExchangeRate.objects.create(base="EUR", quote="USD", on=AS_OF, source="test", rate=Decimal("1.25"))
    dollars = {"currency": "USD", "recommended_limit": 500_000}
    report(limited, AS_OF - timedelta(days=13), standing=60, currency="EUR", recommended_limit=900_000)
    report(limited, AS_OF - timedelta(days=3), provider="beta", standing=60, **dollars)
    report(limited, AS_OF, provider="beta", standing=55)
    rescore(AS_OF)

    def cap():
        limited.refresh_from_db()
        found = recommendations([limited], AS_OF)[limited.pk]
        return found, next(one for one in found.caps if one.code == "agency")

    assert cap()[1].formula == "not asked by this policy" and cap()[1].amount is None
    own_policy(limited.segment, agency_percent=80)
    found, said = cap()
    assert (said.amount, found.bound_by) == (Money.of(3200, "EUR"), "agency")
    assert said.formula == (
        "80% of the 5,000.00 USD that beta recommends (13 Mar 2026): 4,000.00 EUR at 0.8000 EUR for 1 USD"
    )
    assert found.as_json()["bound_by"] == "agency"
    with pytest.raises(DatabaseError, match="never edited"), transaction.atomic():
        LimitPolicy.objects.filter(segment=limited.segment).update(agency_percent=0)
    # A currency without a rate leaves that agency out, not the account.
    francs = {"currency": "CHF", "recommended_limit": 100}
    report(limited, AS_OF - timedelta(days=2), provider="gamma", standing=60, **francs)
    told, without = cap()[1], "left out for want of an exchange rate: limits in CHF"
    assert (told.amount, told.formula) == (said.amount, f"{said.formula}; {without}")
    BureauReport.objects.exclude(provider="gamma").filter(recommended_limit__isnull=False).update(
        known_until=AS_OF, superseded_at=timezone.now()
    )
    assert (cap()[1].amount, cap()[1].formula) == (None, f"no agency recommends a limit; {without}")


def test_a_fallen_rating_and_a_ceased_business_put_the_limit_before_a_person_once(limited):
    fall = {
        "kind": "agency_fall",
        "threshold": 20,
        "window_days": 60,
        "keep_percent": 50,
        "is_immediate": False,
    }
    gone = {"kind": "ceased", "threshold": 1, "keep_percent": 0, "is_immediate": False}
    own_policy(limited.segment, fall, gone)
    report(limited, AS_OF - timedelta(days=300), standing=61)
    report(limited, AS_OF - timedelta(days=10), standing=42)
    rescore(AS_OF)
    assert react_to_causes(AS_OF, [limited.pk]) == []  # 19 points
    report(limited, AS_OF - timedelta(days=5), standing=41)
    rescore(AS_OF)
    (cause,) = react_to_causes(AS_OF, [limited.pk])
    assert (cause.kind, cause.reaction, cause.key) == (
        "agency_fall",
        "proposed",
        f"alpha {AS_OF - timedelta(days=5)}",
    )
    assert cause.change.new_amount == Money.of(25_000, "EUR")
    assert render_reason(cause.kind, cause.evidence, shown=Shown(bank=False, agencies=True)) == (
        "alpha lowered its rating from 61 to 41 of 100 on 11 Mar 2026"
    )
    other = make_account(limited.company)
    give_limit(other, 10_000)
    report(other, AS_OF - timedelta(days=1), provider="beta", activity="ceased")
    rescore(AS_OF + timedelta(days=40))
    both = [limited.pk, other.pk]
    # Told once: the report of the fall counts for 60 days, and its cause was recorded.
    (cause,) = react_to_causes(AS_OF + timedelta(days=40), both)
    assert (cause.account_id, cause.kind) == (other.pk, "ceased")
    assert cause.evidence == {"agency": "beta", "on": "2026-03-15"} and cause.change.new_amount.minor == 0
    assert react_to_causes(AS_OF + timedelta(days=50), both) == []
    # A repeated word, or one a little worse, is no new cause; as deep a fall again, or ceasing again, is.
    later = AS_OF + timedelta(days=90)
    report(limited, later, standing=40)
    report(other, later, provider="beta", activity="ceased")
    rescore(later)
    assert {row.bureau_fall_12m for row in AccountScore.objects.filter(account=limited)} == {21}
    assert react_to_causes(later, both) == []
    again = later + timedelta(days=30)
    report(limited, again, standing=21)
    report(other, again - timedelta(days=9), provider="beta", activity="active")
    report(other, again, provider="beta", activity="ceased")
    rescore(again)
    causes = {cause.kind: (cause.key, cause.evidence) for cause in react_to_causes(again, both)}
    assert {kind: key for kind, (key, _said) in causes.items()} == {
        "agency_fall": f"alpha {again}",
        "ceased": f"beta {again}",
    }
    assert causes["agency_fall"][1] == {
        "agency": "alpha",
        "on": again.isoformat(),
        "standing": 21,
        "before": 41,
    }
