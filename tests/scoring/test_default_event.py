"""The default event, one sentence of its definition at a time."""

from datetime import date, timedelta
from decimal import Decimal

import pytest

from creditdesk.core.facts import View
from customers.disputes import close_dispute, open_dispute
from customers.ledger import allocate_payment, reverse_allocation, write_off
from customers.models import Customer, ExchangeRate, LegalEvent
from customers.rates import MissingRate
from scoring.fitting.materiality import Materiality
from scoring.fitting.outcomes import Cause, default_episodes, defaults_between
from tests.factories import ACTOR, invoice, make_account, make_company, pay, receive

pytestmark = pytest.mark.django_db

END = date(2026, 3, 31)
DUE = date(2025, 3, 2)
PASSES = DUE + timedelta(days=91)
YEAR = (date(2025, 1, 31), date(2026, 1, 31))


@pytest.fixture
def company(db):
    return make_company("one", complete_through=date(2026, 6, 30))


@pytest.fixture
def account(company):
    return make_account(company)


def first_default(account, as_of=YEAR[0], until=YEAR[1], **options):
    return defaults_between(as_of, until, **options).get(account.pk)


def owing(account, amount="1000.00"):
    return invoice(account, amount, DUE - timedelta(days=30))


def test_default_on_the_day_after_ninety_days_past_due(account):
    owing(account)
    default = first_default(account)
    assert (default.on, default.cause, default.amount) == (PASSES, Cause.RESIDUE, 100_000)
    assert first_default(account, until=PASSES - timedelta(days=1)) is None


def test_paid_on_the_ninetieth_day_is_no_default_and_a_day_later_is(account):
    first, second = owing(account), owing(account)
    pay(first, PASSES - timedelta(days=1))
    pay(second, PASSES - timedelta(days=1))
    assert first_default(account) is None
    third = owing(account)
    pay(third, PASSES)
    # The day it would pass is the day it is paid: received on D counts on D.
    assert first_default(account) is None


def test_a_residue_at_the_threshold_is_immaterial_and_a_cent_more_is_not(account):
    row = owing(account)
    pay(row, DUE, "900.00")
    assert first_default(account) is None
    other = invoice(account, "0.01", DUE - timedelta(days=30))
    assert first_default(account).amount == 10_001
    pay(other, DUE)
    assert first_default(account) is None
    assert first_default(account, materiality=Materiality({"EUR": Decimal("99.99")})).on == PASSES


def test_unapplied_cash_is_netted_until_it_is_used_elsewhere(account):
    owing(account)
    money = receive(account, "950.00", DUE)
    assert first_default(account) is None
    other = invoice(account, "950.00", DUE + timedelta(days=120))
    allocate_payment(money, [(other, Decimal("950.00"))], actor=ACTOR)
    default = first_default(account)
    assert (default.on, default.amount) == (DUE + timedelta(days=120), 100_000)


def test_a_disputed_part_waits_for_the_end_of_the_dispute(account):
    row = owing(account)
    dispute = open_dispute(account, [(row, Decimal("950.00"))], reason="price", opened_on=DUE, actor=ACTOR)
    assert first_default(account) is None
    close_dispute(dispute, outcome="rejected", on=DUE + timedelta(days=200), actor=ACTOR)
    assert first_default(account).on == DUE + timedelta(days=200)


def test_a_write_off_is_a_default_unless_small_or_taken_back_the_same_day(account):
    row = owing(account)
    on = DUE + timedelta(days=20)
    mistake = write_off([(row, Decimal("1000.00"))], actor=ACTOR, on=on, reason_code="bad_debt")
    reverse_allocation(mistake.allocations.get(), actor=ACTOR, on=on, reason_code="mistake")
    pay(row, on, "995.00")
    write_off([(row, Decimal("5.00"))], actor=ACTOR, on=on, reason_code="rounding", is_small=True)
    assert first_default(account) is None
    lost = owing(account)
    write_off([(lost, Decimal("1000.00"))], actor=ACTOR, on=on, reason_code="bad_debt")
    assert (first_default(account).on, first_default(account).cause) == (on, Cause.WRITTEN_OFF)
    # It stays out of the population for a year, then may default again.
    assert account.pk in default_episodes(END).already_in(on + timedelta(days=364))
    assert account.pk not in default_episodes(date(2026, 6, 30)).already_in(on + timedelta(days=365))


def test_insolvency_counts_when_it_opens_and_as_it_was_known(account):
    on = date(2025, 7, 1)
    LegalEvent.objects.create(
        customer=account.customer, kind="insolvency", source="register", effective_on=on,
        known_on=on + timedelta(days=30),
    )  # fmt: skip
    LegalEvent.objects.create(
        customer=account.customer, kind="lien", source="register", effective_on=YEAR[0] + timedelta(days=5),
        known_on=YEAR[0] + timedelta(days=5),
    )  # fmt: skip
    assert (first_default(account).on, first_default(account).cause) == (on, Cause.INSOLVENCY)
    assert first_default(account, view=View(known_at=on + timedelta(days=29))) is None
    assert first_default(account, as_of=on) is None
    assert account.pk in default_episodes(END).already_in(on)


def test_a_customer_always_recorded_as_insolvent_is_never_in_the_population(company):
    account = make_account(company, status=Customer.Status.INSOLVENT)
    owing(account)
    assert first_default(account) is None
    assert account.pk in default_episodes(END).already_in(YEAR[0])


def test_who_cured_may_default_again(account):
    first = owing(account)
    pay(first, PASSES + timedelta(days=10))
    second = invoice(account, "500.00", DUE + timedelta(days=100))
    episodes = default_episodes(date(2026, 6, 30))
    assert account.pk in episodes.already_in(PASSES)
    assert account.pk not in episodes.already_in(PASSES + timedelta(days=10))
    again = episodes.between(PASSES + timedelta(days=10), date(2026, 6, 30))[account.pk]
    assert again.on == second.due_on + timedelta(days=91)


def test_nothing_is_judged_beyond_a_complete_ledger(company):
    short = make_company("short", complete_through=PASSES - timedelta(days=1))
    never = make_company("never")
    for other in (short, never):
        owing(make_account(other))
    assert defaults_between(*YEAR) == {}
    episodes = default_episodes(YEAR[1])
    assert episodes.complete_for(YEAR[1]) == set(company.accounts.values_list("pk", flat=True))


def test_thresholds_per_currency_named_or_at_a_rate(company):
    account = make_account(company)
    ExchangeRate.objects.create(base="EUR", quote="ISK", on=YEAR[0], source="test", rate=Decimal(150))
    row = invoice(account, "15001", DUE - timedelta(days=30), currency="ISK")
    limits = Materiality({"EUR": Decimal(100)})
    assert limits.of({"EUR", "ISK"}, END) == {"EUR": 10_000, "ISK": 15_000}
    assert first_default(account, materiality=limits).on == PASSES
    pay(row, DUE, "1")
    assert first_default(account, materiality=limits) is None
    with pytest.raises(MissingRate):
        limits.of({"TRY"}, END)


def test_before_the_first_rate_of_a_currency_that_first_rate_counts(company):
    """One invoice of long ago does not keep a ledger from being learned from."""
    ExchangeRate.objects.create(base="EUR", quote="BHD", on=date(2024, 1, 1), rate=Decimal("0.41"))
    limits = Materiality({"EUR": Decimal(100)})
    assert limits.of(["BHD"], date(2019, 5, 31)) == limits.of(["BHD"], date(2024, 1, 1)) == {"BHD": 41_000}
    with pytest.raises(MissingRate):
        limits.of(["KWD"], date(2019, 5, 31))


def test_the_threshold_is_a_setting(account, settings):
    owing(account)
    settings.DEFAULT_MATERIALITY = {"EUR": "1000"}
    assert first_default(account) is None
    settings.DEFAULT_MATERIALITY = {"EUR": "999.99"}
    assert first_default(account).on == PASSES
