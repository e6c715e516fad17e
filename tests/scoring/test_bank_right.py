"""Bank figures: whoever looks at what was computed from them is in their log, and only who may sees them."""

from __future__ import annotations

from copy import deepcopy
from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from creditdesk.core.audit import Actor
from creditdesk.core.money import Money
from creditdesk.desk.score_export import history_export
from customers.bank.consents import revoke_consent
from customers.limit_reasons import render_reason
from customers.models import BankDataAccess, Customer, OrderHold
from customers.orders import record_order
from customers.shown import EVERYTHING, Shown
from scoring.bank_right import NOTHING_ENDED, ended_for, is_of_agencies, is_of_bank, sees_bank
from scoring.causes import react_to_causes
from scoring.decision_reasons import reasons_of
from scoring.decisions import decide
from scoring.engine import rescore
from scoring.explain import explain
from scoring.limit_comparison import caps, signals
from scoring.models import AccountScore, ScoreHistory
from scoring.onboarding.forms import AnswerForm
from scoring.proposals import score_evidence
from scoring.signals import BY_NAME, SIGNALS
from scoring.signals.base import Family
from tests.desk_world import client_of
from tests.factories import ACTOR
from tests.people import make_cast
from tests.scoring.test_agencies import report
from tests.scoring.test_automatic_limits import own_policy
from tests.scoring.test_limit_proposals import give_limit
from tests.scoring.test_thin_card import AS_OF, feed

pytestmark = pytest.mark.django_db
NO_BANK = Shown(bank=False, agencies=True)


@pytest.fixture(scope="module")
def kept_desk(module_database):
    """One account scored by the thin card from its bank lines, today and a month ago."""
    cast = make_cast()
    feed(cast.account, days=300, drop=40)
    for day in (AS_OF - timedelta(days=31), AS_OF):
        rescore(day)
    return cast


@pytest.fixture
def desk(kept_desk, db, settings):
    settings.BUSINESS_DATE = AS_OF
    cache.clear()
    return deepcopy(kept_desk)


def reads(user):
    rows = BankDataAccess.objects.filter(user=user).order_by("pk")
    return list(rows.values_list("customer", "purpose"))


def test_every_page_that_computes_from_bank_lines_names_the_person_and_the_purpose(desk):
    account, customer = desk.account, desk.account.customer_id
    for user in (desk.controller, desk.collector):
        client = client_of(user)
        assert client.get(reverse("desk:would_lift", args=[account.pk])).status_code == 200
        assert reads(user) == [(customer, "what would lift the score")]
        page = reverse("desk:customer", args=[customer])
        asked = {"account": account.pk, "tab": "history", "first": AS_OF - timedelta(days=7), "second": AS_OF}
        assert client.get(page, asked).status_code == 200
        assert reads(user)[1:] == [(customer, "what changed between two days")]
        kept = ScoreHistory.objects.filter(account=account).latest("pk")
        assert client.get(reverse("desk:replay", args=[kept.pk])).status_code == 200
        assert reads(user)[2:] == [(customer, "replay of a score")]
        # Kept scores are only shown: nothing is computed, so nothing is read.
        asked["first"] = AS_OF - timedelta(days=31)
        client.get(page, asked)
        assert len(reads(user)) == 3
    # An account without a consent leaves no row: nothing could be read.
    rescore(AS_OF)
    BankDataAccess.objects.count()
    stranger = client_of(desk.stranger)
    assert stranger.get(reverse("desk:would_lift", args=[desk.elsewhere.pk])).status_code == 200
    assert reads(desk.stranger) == []


def test_without_the_right_points_add_up_and_no_figure_is_told(desk):
    row = AccountScore.objects.get(account=desk.account)
    whole = explain(row)
    told = whole.for_reader(desk.collector)
    mine = [item for item in whole.items if is_of_bank(item.name)]
    assert mine and sum(item.points for item in mine), "the thin card scores by bank signals"
    assert not any(is_of_bank(item.name) for item in told.items)
    assert told.base_points + sum(i.points for i in told.items) + told.withheld == told.score == row.score
    shown = sum(i.points for i in (*told.helping, *told.hurting))
    assert told.base_points + shown + told.unknown + told.withheld + told.others == row.score
    assert whole.for_reader(desk.controller) is whole

    sentences = [item.sentence for item in mine]
    customer = desk.account.customer_id
    kept = ScoreHistory.objects.filter(account=desk.account).latest("pk")
    pages = (
        reverse("desk:customer", args=[customer]),
        reverse("desk:customer", args=[customer])
        + f"?tab=history&first={AS_OF - timedelta(days=31)}&second={AS_OF}",
        reverse("desk:would_lift", args=[desk.account.pk]),
        reverse("desk:replay", args=[kept.pk]),
        reverse("admin:scoring_accountscore_change", args=[row.pk]),
        reverse("admin:scoring_scorehistory_change", args=[kept.pk]),
    )
    seen = {}
    for user in (desk.controller, desk.collector):
        client = client_of(user)
        seen[user.username] = "".join(client.get(page).content.decode() for page in pages)
    labels = [str(item.signal.label) for item in mine]
    assert any(s in seen[desk.controller.username] for s in sentences)
    for text in (*sentences, *labels):
        assert text not in seen[desk.collector.username]
    assert "figures for those who may read bank data" in seen[desk.collector.username]


def reasons_offered(decision, reader, ended=NOTHING_ENDED):
    """What a person may tick for the letter of an application."""
    return AnswerForm(decision=decision, reader=reader, ended=ended).fields["because"].choices


def test_limits_and_decisions_keep_them_back_too(desk):
    row = AccountScore.objects.select_related("card").get(account=desk.account)
    evidence = score_evidence(row, row.grade)
    labels = {line.label for line in signals(evidence, evidence, shown=EVERYTHING)}
    fewer = {line.label for line in signals(evidence, evidence, shown=NO_BANK)}
    hidden = {str(i.signal.label) for i in explain(row).items if is_of_bank(i.name)}
    assert hidden <= labels and not hidden & fewer
    minor = {"minor": "1234500", "currency": "EUR"}
    cap = {"code": "bank_flows", "amount": minor, "params": {"percent": 10, "inflow": minor}}
    stored = {"recommended": {"caps": [cap], "bound_by": ""}}
    (open_line,), (closed,) = caps(stored, shown=EVERYTHING), caps(stored, shown=NO_BANK)
    assert "12,345" in open_line.formula + open_line.amount
    assert "12,345" not in closed.formula + closed.amount and closed.label == open_line.label
    params = {"signal": "bank_sudden_change", "points": -9, "value": -5.5}
    decision = SimpleNamespace(
        reasons=[{"code": "signal", "params": params}],
        scored_as_of=AS_OF,
        as_of=AS_OF,
        kept=None,
        pk=0,
        advice={},
        public_id="",
        currency="EUR",
    )
    (open_reason,) = reasons_of(decision, desk.controller)
    (closed_reason,) = reasons_of(decision, desk.integration)
    assert [label for _n, label in reasons_offered(decision, desk.controller)] == [open_reason.text]
    assert reasons_offered(decision, desk.integration) == []
    assert reasons_offered(decision, desk.controller, frozenset({Family.BANK})) == []
    assert "5.5" in open_reason.text and open_reason.value == -5.5
    assert "5.5" not in closed_reason.text and closed_reason.value is None and closed_reason.points == -9


def test_the_admin_tells_a_decision_without_what_it_stands_on(desk):
    made = decide(desk.account, AS_OF, asked_by=Actor.person(desk.controller))
    assert any(is_of_bank(str(reason["params"].get("signal"))) for reason in made.reasons)
    page = reverse("admin:scoring_decision_change", args=[made.pk])
    pages = [client_of(user).get(page) for user in (desk.controller, desk.collector)]
    assert [answer.status_code for answer in pages] == [200, 200]
    told, kept_back = (answer.content.decode() for answer in pages)
    assert "bank_" in told and "bank_" not in kept_back


def test_the_figure_of_a_cash_shock_is_kept_back_wherever_its_cut_is_told(desk, monkeypatch):
    account = desk.account
    give_limit(account, 50_000, on=AS_OF - timedelta(days=60))
    own_policy(account.segment, {"kind": "cash_shock", "threshold": 4, "keep_percent": 0})
    number = ("SO-1", Money.of(500, "EUR"))
    record_order(account, *number, expected_on=AS_OF, actor=ACTOR, on=AS_OF, at=timezone.now())
    scores, monkey = AccountScore.objects.filter(account=account), "scoring.causes.gather_evidence"
    before = scores.get().bank_sudden_change
    monkeypatch.setattr(monkey, lambda accounts, as_of: {one.pk: {} for one in accounts})
    scores.update(bank_sudden_change=-5.74)
    (cause,) = react_to_causes(AS_OF, [account.pk])
    scores.update(bank_sudden_change=before)
    assert cause.evidence == {"times": 5.7} and cause.change.new_amount.minor == 0
    hold = OrderHold.objects.get(order_number="SO-1", cause="stopped")
    customer = reverse("desk:customer", args=[account.customer_id])
    trail = f"?first={AS_OF}&last={AS_OF}"
    pages = (
        reverse("limits:causes"),
        reverse("limits:decide", args=[cause.change_id]),
        f"{customer}?account={account.pk}&tab=limits",
        reverse("orders:queue"),
        reverse("orders:decide", args=[hold.pk]),
        reverse("limits:trail") + trail,
        reverse("admin:customers_limitchange_changelist") + "?state=all",
        reverse("admin:scoring_creditcause_changelist"),
        reverse("admin:scoring_creditcause_change", args=[cause.pk]),
        reverse("limits:trail") + trail + "&export=changes.csv",
    )

    def figures(user):
        client, found = client_of(user), []
        for page in pages:
            answer = client.get(page)
            if answer.status_code == 200:
                text = (b"".join(answer) if answer.streaming else answer.content).decode()
                found.append("5.7" in text.replace("5,7", "5.7"))
        return found

    assert sum(figures(desk.controller)) >= 7
    told = figures(desk.collector)
    assert not sees_bank(desk.collector) and len(told) >= 3 and not any(told)


def test_a_limit_bound_by_the_inflow_does_not_tell_it_by_its_amount(desk):
    """A rise or a cut named the cap and its target: a set share of what comes in."""
    minor = {"minor": 98765, "currency": "EUR"}
    params = {"cap": "bank_flows", "target": minor, "step": 20}
    for code, begins in (("policy_cut", "Above"), ("policy_rise", "Room"), ("first_limit", "First")):
        told, kept_back = (render_reason(code, params, shown=shown) for shown in (EVERYTHING, NO_BANK))
        assert "987.65" in told and begins in told
        assert "987" not in kept_back and kept_back.startswith(begins) and "bank data" in kept_back
        assert "987.65" in render_reason(code, {**params, "cap": "capacity"}, shown=NO_BANK)
    made = decide(desk.account, AS_OF, asked_by=ACTOR)
    made.reasons = [{"code": "limit", "params": {"cap": "bank_flows", "limit": minor}}]
    assert "987.65" in reasons_of(made, desk.controller)[0].text
    reader = SimpleNamespace(has_perm=lambda perm, obj=None: False)
    assert "987" not in reasons_of(made, reader)[0].text


def test_what_a_consent_or_a_basis_allowed_is_withheld_once_it_ended(desk):
    """Kept scores hold figures of days on which they might be read; afterwards only who audits sees them."""
    row = ScoreHistory.objects.filter(account=desk.account).latest("pk")
    account, reader = desk.account, desk.controller
    assert sees_bank(reader) and not ended_for(reader, account.customer, AS_OF, past=True)
    told = explain(row)
    assert any(is_of_bank(item.name) for item in told.for_reader(reader).items)
    consent = account.customer.bank_consents.get()
    later = consent.expires_on + timedelta(days=1)
    ended = ended_for(reader, account.customer, later, past=True)
    assert ended == {Family.BANK} and not ended_for(desk.auditor, account.customer, later, past=True)
    shown = told.for_reader(reader, ended=ended)
    assert (
        not any(is_of_bank(item.name) for item in shown.items) and shown.withheld_family == "what is withheld"
    )
    assert shown.base_points + sum(item.points for item in shown.items) + shown.withheld == shown.score
    with_consent = history_export(account, reader, AS_OF).header
    without = history_export(account, reader, later).header
    assert len(without) < len(with_consent) and "signals withheld, points" in without
    # Of a natural person the same of credit agencies, without a legal basis.
    Customer.objects.filter(pk=account.customer_id).update(kind=Customer.Kind.SOLE_TRADER)
    account.customer.refresh_from_db()
    assert ended_for(reader, account.customer, AS_OF) == {Family.BUREAU}
    header = history_export(account, reader, AS_OF).header
    assert not any(str(signal.label) in header for signal in SIGNALS if is_of_agencies(signal.name))
    page = client_of(reader).get(reverse("admin:scoring_scorehistory_change", args=[row.pk])).content.decode()
    told_there = {signal.name for signal in SIGNALS if str(signal.label).lower() in page.lower()}
    assert any(map(is_of_bank, told_there)) and not any(map(is_of_agencies, told_there))


def test_limits_and_decisions_tell_nothing_of_agencies_or_the_bank_once_that_ended(desk):
    """A cut, its evidence, a decision and what would lift the score: kept, but for who audits only."""
    account = desk.account
    give_limit(account, 50_000, on=AS_OF - timedelta(days=60))
    fall = {"kind": "agency_fall", "threshold": 20, "window_days": 60, "keep_percent": 50}
    own_policy(account.segment, fall | {"is_immediate": False}, agency_percent=80)
    figures = {"currency": "EUR", "recommended_limit": 777_700}
    report(account, AS_OF - timedelta(days=9), provider="lupus", standing=80, **figures)
    report(account, AS_OF - timedelta(days=5), provider="lupus", standing=30, **figures)
    rescore(AS_OF)
    (cause,) = react_to_causes(AS_OF, [account.pk])
    made = decide(account, AS_OF, asked_by=ACTOR)
    names = {item["name"] for item in cause.change.evidence["signals"]}
    assert any(map(is_of_bank, names)) and any(map(is_of_agencies, names))
    customer = reverse("desk:customer", args=[account.customer_id])
    trail = reverse("limits:trail") + f"?first={AS_OF}&last={AS_OF}"
    pages = {
        "causes": reverse("limits:causes"),
        "inbox": reverse("limits:inbox"),
        "decide": reverse("limits:decide", args=[cause.change_id]),
        "tab": f"{customer}?account={account.pk}&tab=limits",
        "trail": trail,
        "export": trail + "&export=changes.csv",
        "changes": reverse("admin:customers_limitchange_changelist") + "?state=all",
        "cause list": reverse("admin:scoring_creditcause_changelist"),
        "cause": reverse("admin:scoring_creditcause_change", args=[cause.pk]),
        "decision": reverse("admin:scoring_decision_change", args=[made.pk]),
        "lift": reverse("desk:would_lift", args=[account.pk]),
    }
    labels = {name: str(BY_NAME[name].label).lower() for name in names}

    def told(user):
        """Pages that name the agency or its cap, and those that tell a signal of the two families."""
        client, agency, of_agencies, of_bank = client_of(user), set(), set(), set()
        for name, page in pages.items():
            answer = client.get(page)
            if answer.status_code != 200:
                continue
            text = (b"".join(answer) if answer.streaming else answer.content).decode().lower()
            if "lupus" in text or "6,221.60" in text or "bureau_" in text:
                agency.add(name)
            shown = {code for code, label in labels.items() if label in text}
            of_agencies |= {name} if any(map(is_of_agencies, shown)) else set()
            of_bank |= {name} if any(map(is_of_bank, shown)) or "bank_" in text else set()
        return agency, of_agencies, of_bank

    before = told(desk.controller)
    assert before[0] >= {"causes", "inbox", "decide", "tab", "changes", "cause list", "cause", "decision"}
    assert {"decide", "lift"} <= before[1] & before[2] and "decision" in before[2]
    with CaptureQueriesContext(connection) as queries:
        client_of(desk.controller).get(pages["causes"])
    Customer.objects.filter(pk=account.customer_id).update(kind=Customer.Kind.SOLE_TRADER)
    agency, of_agencies, of_bank = told(desk.controller)
    assert (agency, of_agencies) == (set(), set()) and {"decide", "lift"} <= of_bank
    revoke_consent(account.customer.bank_consents.get(), by=ACTOR, reason="asked", on=AS_OF)
    assert told(desk.controller) == (set(), set(), set())
    audited = told(desk.auditor)
    assert audited[0] >= {"causes", "trail", "export", "decision"} and audited[1]
    with CaptureQueriesContext(connection) as again:
        client_of(desk.controller).get(pages["causes"])
    assert len(again) == len(queries)
