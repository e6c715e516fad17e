"""Peer figures, the group's last scores, and Altman's Z'' against its textbook example."""

from __future__ import annotations

from copy import deepcopy
from datetime import date, timedelta

import pytest
from django.db import DatabaseError, transaction

from creditdesk.core.facts import View
from customers.models import FinancialStatement, GroupMembership
from scoring.engine import compute, rescore
from scoring.models import PeerFigure
from scoring.peers import LEAST, store_peer_figures
from scoring.tasks import store_peers
from tests.factories import history, make_account, make_company
from tests.scoring.reference_evidence import peer_figures_of

pytestmark = pytest.mark.django_db
TODAY = date(2026, 6, 30)


@pytest.fixture(scope="module")
def kept_book(module_database):
    """Six customers of one sector and two of another, each later than the one before."""
    company = make_company(complete_through=TODAY)
    accounts = []
    for number in range(8):
        account = make_account(company, sector="25.11" if number < 6 else "46.90")
        issued = [TODAY - timedelta(days=80 + 30 * month) for month in range(5)]
        late = timedelta(days=30 + 4 * number)
        deals = [(f"{100 + number}.00", day, 30, min(day + late, TODAY)) for day in issued]
        history(account, deals, known_on=TODAY)
        FinancialStatement.objects.create(
            customer=account.customer,
            effective_on=date(2025, 12, 31),
            known_on=date(2026, 4, 1 + number),
            currency="EUR",
            total_assets=1000_00,
            current_assets=500_00,
            current_liabilities=350_00,
            total_liabilities=600_00,
            equity=400_00,
            retained_earnings=200_00,
            ebit=(80 + number) * 100,
        )
        accounts.append(account)
    return accounts


@pytest.fixture
def book(kept_book, db):
    return deepcopy(kept_book)


def test_altman_by_the_book(book):
    rows = {row.account_id: row for row in compute(TODAY)}
    assert rows[book[0].pk].altman_z == 2.8736


def test_figures_are_those_of_the_signals(book):
    assert store_peer_figures(TODAY) == 3
    rows = {row.account_id: row for row in compute(TODAY, view=View(known_at=TODAY))}
    facts = [
        (a.customer.sector[:2], rows[a.pk].late_share_12m, rows[a.pk].days_late_12m, rows[a.pk].altman_z)
        for a in book
    ]
    expected = peer_figures_of(facts)
    stored = {f.sector: (f.late_share, f.days_late, f.z_median) for f in PeerFigure.objects.all()}
    assert stored == expected
    assert stored["46"] == (None, None, None) and LEAST == 5, "two customers are no sector"
    whole = PeerFigure.objects.get(sector="")
    assert (whole.accounts, whole.invoiced) == (8, sum((100 + n) * 100 * 5 for n in range(8)))
    assert not PeerFigure.objects.exclude(sector="").filter(invoiced__isnull=False).exists()


def test_stored_once_and_never_edited(book, settings):
    settings.BUSINESS_DATE = TODAY
    assert store_peers() == 3 and store_peers() == 0
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        PeerFigure.objects.update(accounts=1)


def test_a_score_reads_the_figures_before_its_day(book):
    store_peer_figures(TODAY)
    figure = PeerFigure.objects.get(sector="25")
    same_day, next_day = (next(compute(day)) for day in (TODAY, TODAY + timedelta(days=1)))
    assert same_day.sector_late_share is None and same_day.revenue_share is None
    assert next_day.sector_late_share == figure.late_share
    assert next_day.sector_days_late == figure.days_late
    assert next_day.altman_z_gap == pytest.approx(next_day.altman_z - figure.z_median, abs=1e-6)
    assert next_day.revenue_share == pytest.approx(500 / 4140, abs=1e-6)
    aged = next(compute(TODAY + timedelta(days=365)))
    assert aged.sector_late_share is None, "figures of a year ago say nothing any more"


def test_contagion_reads_the_evening_before_and_is_capped(book):
    """The head is scored by what its member's score was yesterday, and loses two points at most by it."""
    head, member = book[0], book[1]
    GroupMembership.objects.create(
        customer=member.customer,
        parent=head.customer,
        effective_on=date(2026, 1, 1),
        known_on=date(2026, 1, 1),
    )
    rescore(TODAY)
    alone = next(row for row in compute(TODAY) if row.account_id == head.pk)
    assert alone.group_score is None
    kept = member.score_history.get()
    tomorrow = {row.account_id: row for row in compute(TODAY + timedelta(days=1))}
    assert tomorrow[head.pk].group_score == kept.score
    assert tomorrow[head.pk].group_days_late == kept.days_late_12m
    assert tomorrow[member.pk].group_score == head.score_history.get().score
    assert tomorrow[book[2].pk].group_score is None
    before = {row.account_id: row for row in compute(date(2025, 12, 31), view=View(known_at=TODAY))}
    assert before[head.pk].group_score is None
