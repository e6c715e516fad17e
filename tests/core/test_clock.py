from datetime import date

import time_machine

from creditdesk.core.clock import business_date, business_date_due


@time_machine.travel("2026-11-22T23:30:00+00:00")
def test_the_business_date_is_the_day_where_the_company_is(settings):
    settings.BUSINESS_DATE = None
    assert business_date("Europe/London") == date(2026, 11, 22)
    assert business_date("Europe/Rome") == date(2026, 11, 23)


@time_machine.travel("2026-11-23T08:00:00+00:00")
def test_late_work_keeps_the_day_it_was_due(settings):
    settings.BUSINESS_DATE = None
    assert business_date_due("2026-11-22T22:30:00+01:00") == date(2026, 11, 22)
    assert business_date_due(None) == date(2026, 11, 23)


@time_machine.travel("2026-11-25T08:00:00+00:00")
def test_a_pinned_desk_stays_on_its_day_whatever_was_due(settings):
    settings.BUSINESS_DATE = date(2026, 11, 20)
    assert business_date("Europe/Rome") == date(2026, 11, 20)
    assert business_date_due("2026-11-25T02:30:00+01:00") == date(2026, 11, 20)


def test_months_before_keeps_the_day_where_the_month_has_it():
    from creditdesk.core.dates import months_before

    assert months_before(date(2026, 5, 31), 3) == date(2026, 2, 28)
    assert months_before(date(2024, 2, 29), 12) == date(2023, 2, 28)
    assert months_before(date(2026, 11, 20), 12) == date(2025, 11, 20)
    assert months_before(date(2026, 12, 1), 12) == date(2025, 12, 1)
