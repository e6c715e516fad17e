"""The facts of the story: it is whole, dated rightly, sound, and each character shows what it stands for."""

from datetime import timedelta

import pytest
from django.db.models import Count, F, Max, Q, Sum

from creditdesk.core.audit import Actor
from creditdesk.core.models import User
from creditdesk.core.roles import COLLECTOR
from creditdesk.demo.characters import CHARACTERS, character_code
from creditdesk.demo.sending import sending_of
from customers.access import visible_accounts
from customers.completeness import complete_through_all
from customers.exposure import exposures
from customers.ledger.checking import check_ledger
from customers.models import (
    Allocation,
    BureauProvider,
    BureauPull,
    BureauReport,
    Contact,
    CreditAccount,
    CreditLimit,
    Customer,
    Dispute,
    Instalment,
    Invoice,
    Payment,
    Promise,
    WriteOff,
)
from customers.promises import settle_promises

from .conftest import AS_OF, CUSTOMERS

pytestmark = pytest.mark.django_db


def account_of(key):
    return CreditAccount.objects.select_related("customer").filter(customer__code=character_code(key)).first()


def exposure_of(key):
    account = account_of(key)
    return exposures([account], AS_OF)[account.pk]


def cash_of(key):
    return Allocation.objects.filter(account=account_of(key), kind="cash", amount__gt=0)


def test_the_ledger_is_sound(story):
    assert [str(finding) for finding in check_ledger()] == []


def test_there_are_as_many_customers_as_asked_for(story):
    assert Customer.objects.count() == CUSTOMERS == story.customers
    assert Customer.objects.filter(kind=Customer.Kind.SOLE_TRADER).count() >= 3
    assert set(Customer.objects.values_list("country", flat=True)) == {"IT", "ES", "FR", "DE", "GB"}


def test_currencies_differ_and_one_has_no_decimals(story):
    assert {"EUR", "GBP", "USD", "JPY"} <= set(CreditAccount.objects.values_list("currency", flat=True))


def test_nothing_is_dated_or_known_after_the_story(story):
    complete = complete_through_all()
    assert set(complete.values()) == {AS_OF - timedelta(days=1)}
    for model in (Invoice, Payment, Allocation, WriteOff, Dispute, Promise):
        latest = model.objects.aggregate(effective=Max("effective_on"), known=Max("known_on"))
        assert latest["effective"] <= AS_OF - timedelta(days=1), model
        assert latest["known"] <= AS_OF, model
        assert not model.objects.filter(known_on__lt=F("effective_on")).exists(), model


def test_judging_the_promises_again_moves_none(story):
    states = dict(Promise.objects.values_list("status").annotate(Count("pk")))
    assert states["kept"] > 5 and states["broken"] > 5
    assert settle_promises(AS_OF, actor=Actor.job("test")) == 0


def test_no_contact_can_be_reached_by_accident(story):
    assert not Contact.objects.exclude(email__endswith=".example.com").exists()


def test_the_dirt_of_real_life_is_there(story):
    kinds = set(Allocation.objects.values_list("kind", flat=True))
    assert {"cash", "credit", "write_off", "moved", "returned", "refunded"} <= kinds
    assert Payment.objects.filter(known_on__gt=F("effective_on") + timedelta(days=4)).exists(), "booked late"
    assert Payment.objects.filter(open_amount__gt=0).exists(), "unapplied cash"
    assert Invoice.objects.filter(superseded_at__isnull=False, known_until__isnull=False).exists(), (
        "corrected"
    )
    assert WriteOff.objects.filter(is_small=True).exists()
    assert Instalment.objects.filter(reopened=True).exists()
    assert Instalment.objects.values("invoice").annotate(n=Count("pk")).filter(n__gt=1).exists()


def test_the_slow_giant_pays_everything_about_25_days_late(story):
    days = list(cash_of("giant").values_list("days_late", flat=True))
    assert len(days) > 150 and min(days) >= 20 and max(days) <= 31
    assert exposure_of("giant").oldest_days_past_due <= 31
    assert not WriteOff.objects.filter(account=account_of("giant")).exists()


def test_the_collapse_paid_early_until_the_cash_was_gone(story):
    assert max(cash_of("collapse").values_list("days_late", flat=True)) <= 3
    last = cash_of("collapse").aggregate(last=Max("effective_on"))["last"]
    assert (AS_OF - last).days > 70
    assert exposure_of("collapse").overdue.minor > 5_000_000
    customer = account_of("collapse").customer
    assert customer.legal_events.filter(kind="protest").exists()
    transactions = customer.bank_accounts.get().transactions.order_by("-effective_on")
    assert transactions.filter(is_rejected=True).exists()


def test_two_agencies_saw_the_collapse_coming_and_the_recovered_one_recover(story):
    def course(code, agency="arcadia"):
        rows = BureauReport.objects.filter(customer__code=code, provider=agency).order_by("effective_on")
        return list(rows.values_list("standing", flat=True))

    assert course("C-00002") == sorted(course("C-00002"), reverse=True) == [82, 80, 71, 52, 31]
    assert course("C-00021") == sorted(course("C-00021"))
    assert BureauReport.objects.values("customer").distinct().count() >= 12
    # Every report has its question, paid at its price; nobody is asked by itself.
    assert BureauPull.objects.filter(report=None).count() == 0
    assert BureauProvider.objects.filter(is_on=True, ask_above=None, adapter="recorded").count() == 2


def test_the_seasonal_payer_is_late_in_summer_only(story):
    summer = Q(instalment__due_on__month__in=(7, 8, 9))
    assert min(cash_of("seasonal").filter(summer).values_list("days_late", flat=True)) > 20
    rest = cash_of("seasonal").exclude(summer)
    assert rest.filter(days_late__gt=12).count() < rest.count() / 10


def test_the_disputer_disputes_and_is_credited(story):
    disputes = Dispute.objects.filter(account=account_of("disputer"))
    assert disputes.filter(outcome="upheld").count() > 5
    assert disputes.filter(closed_on__isnull=True).exists()
    assert Invoice.objects.filter(account=account_of("disputer"), kind="credit_note").count() > 5


def test_the_promise_breaker_broke_one_just_now(story):
    promises = Promise.objects.filter(account=account_of("promises"))
    assert promises.filter(status="broken").count() >= 3
    assert (AS_OF - promises.filter(status="broken").aggregate(d=Max("judged_on"))["d"]).days <= 5


def test_the_group_in_trouble_hangs_together(story):
    head = account_of("group").customer
    assert head.members.count() == 3
    for key in ("group", "group_cast", "group_freight", "group_uk"):
        assert exposure_of(key).overdue.minor > 0, key


def test_the_others_are_who_they_are(story):
    assert exposure_of("prompt").overdue.minor == 0
    assert not Invoice.objects.filter(account=account_of("newcomer")).exists()
    assert account_of("sole_trader").customer.is_natural_person
    assert exposure_of("prepayer").total.minor < 0
    assert exposure_of("lost").total.minor == 0
    assert WriteOff.objects.filter(account=account_of("lost"), is_small=False).exists()
    assert CreditLimit.objects.filter(account=account_of("lost"), amount=0).exists()
    recent = Q(effective_on__gt=AS_OF - timedelta(days=180))
    assert max(cash_of("recovered").filter(recent).values_list("days_late", flat=True)) < 15
    assert max(cash_of("recovered").exclude(recent).values_list("days_late", flat=True)) > 45
    grower = Invoice.objects.filter(account=account_of("grower"))
    half = AS_OF - timedelta(days=270)
    late, early = grower.filter(effective_on__gt=half), grower.filter(effective_on__lte=half)
    assert late.aggregate(s=Sum("amount"))["s"] > early.aggregate(s=Sum("amount"))["s"]


def test_accounts_move_from_paper_to_electronic_invoices(story):
    told: dict[int, list[str]] = {}
    rows = Invoice.objects.filter(superseded_at__isnull=True).order_by("effective_on", "pk")
    for account, channel in rows.values_list("account_id", "delivery"):
        told.setdefault(account, []).append(channel)
    lives = [tuple(dict.fromkeys(channels)) for channels in told.values()]
    assert set(lives) == {("paper",), ("electronic",), ("paper", "electronic"), ("",)}
    # Once moved, nobody goes back.
    assert all(channels == sorted(channels, reverse=True) for channels in told.values())
    moved = sending_of(1, 8, 0, 900)
    assert moved.moved_on and moved == sending_of(1, 8, 0, 900) != sending_of(2, 8, 0, 900)
    day = moved.moved_on
    assert [(moved.on(d), moved.delay(d, 2)) for d in (day - 1, day)] == [("paper", 2), ("electronic", -2)]


def test_cash_lies_on_the_namesakes_account(story):
    moved = Payment.objects.filter(transferred_from__account=account_of("namesake"))
    assert moved.filter(account=account_of("wrong_company")).exists()


def test_every_character_is_told_under_its_number(story):
    names = dict(Customer.objects.values_list("code", "name"))
    for character in CHARACTERS:
        assert names[character_code(character.key)] == character.name


def test_people_see_their_territory(story):
    marta = User.objects.get(username="marta")
    assert marta.check_password("demo")
    assert [group.name for group in marta.groups.all()] == [COLLECTOR]
    assert set(visible_accounts(marta).values_list("customer__country", flat=True)) <= {
        "IT",
        "FR",
        "DE",
        "GB",
    }
    assert set(visible_accounts(marta).values_list("portfolio__code", flat=True)) == {"italia"}
    carla = User.objects.get(username="carla")
    assert visible_accounts(carla).count() == CreditAccount.objects.count()
