"""The scorecard pages: who may do what, the way of a card in clicks, and what the pages cost."""

from __future__ import annotations

from copy import deepcopy
from datetime import timedelta

import pytest
from django.db import connection
from django.test import override_settings
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from creditdesk.core.jobs import run_once
from creditdesk.core.models import Job
from scoring.drafts import copy_card
from scoring.engine import rescore
from scoring.models import AccountScore, CardReport, Scorecard, ScoreOverride
from scoring.monitoring import monitor
from scoring.tasks import measure_planned_card, monitor_planned_month
from tests.desk_world import TODAY, client_of, fill
from tests.factories import make_account
from tests.people import make_cast
from tests.scoring.versions_in_use import agreed

pytestmark = pytest.mark.django_db
STAFF = ("controller", "approver", "collector", "manager", "auditor")


@pytest.fixture(scope="module")
def kept_desk(module_database):
    with override_settings(BUSINESS_DATE=TODAY):
        cast = make_cast()
        fill(cast.account, cast.collector)
        fill(cast.elsewhere)
        rescore(TODAY)
        return cast


@pytest.fixture
def desk(kept_desk, db, settings):
    settings.BUSINESS_DATE = TODAY
    return deepcopy(kept_desk)


@pytest.fixture
def draft(desk) -> Scorecard:
    return copy_card(Scorecard.objects.get(status="active", kind="full"), by=desk.controller, as_of=TODAY)


def page(name: str, *args) -> str:
    return reverse(f"scorecards:{name}", args=args)


@pytest.mark.parametrize("who", STAFF)
def test_everybody_of_the_desk_reads_cards_and_monitoring(desk, draft, who):
    monitor(TODAY, made_by="test")
    client = client_of(getattr(desk, who))
    for url in (page("list"), page("card", draft.pk), page("card", draft.based_on_id), page("monitoring")):
        assert client.get(url).status_code == 200, url


@pytest.mark.parametrize("who", ["approver", "collector", "auditor"])
def test_only_who_may_propose_works_on_a_draft(desk, draft, who):
    client = client_of(getattr(desk, who))
    assert client.get(page("numbers", draft.pk)).status_code == 403
    assert client.get(page("signal", draft.pk, "days_late_12m")).status_code == 403
    for act in ("copy", "delete", "propose"):
        assert client.post(page(act, draft.pk), {"propose-reason": "x"}).status_code == 403, act
    assert list(Scorecard.objects.filter(status="draft")) == [draft]


def test_machines_and_strangers_stay_outside(desk, draft, client):
    assert client_of(desk.integration).get(page("list")).status_code == 403
    assert client.get(page("list")).url.startswith(reverse("admin:login"))
    assert client_of(desk.controller).get(page("publish", draft.pk)).status_code == 405


def lines(bins: list[tuple[str, int, str]]) -> dict[str, object]:
    data: dict[str, object] = {"lines-TOTAL_FORMS": len(bins), "lines-INITIAL_FORMS": 0}
    for n, (upper, points, why) in enumerate(bins):
        data |= {f"lines-{n}-upper": upper, f"lines-{n}-points": points, f"lines-{n}-rationale": why}
    return data | {"missing-points": 0, "missing-rationale": "No history."}


def test_the_way_of_a_card_from_copy_to_use(desk):
    carla, paolo = client_of(desk.controller), client_of(desk.approver)
    active = Scorecard.objects.get(status="active", kind="full")
    made = carla.post(page("copy", active.pk))
    draft = Scorecard.objects.get(status="draft")
    assert made.url == page("card", draft.pk)
    saved = carla.post(
        page("signal", draft.pk, "days_late_3m"),
        lines([("5", 4, "In time."), ("", -4, "Late."), ("", "", "")]),
    )
    assert saved.status_code == 302 and draft.bins.filter(signal="days_late_3m").count() == 3
    form = carla.get(page("numbers", draft.pk)).context["form"]
    numbers = {name: form.initial[name] for name in form.fields} | {"guarantees_below": 75}
    assert carla.post(page("numbers", draft.pk), numbers).status_code == 302
    assert Scorecard.objects.get(pk=draft.pk).guarantees_below == 75
    assert carla.post(page("measure", draft.pk)).status_code == 302
    shown = carla.get(page("card", draft.pk)).context
    assert shown["tried"]["figures"]["accounts"] == AccountScore.objects.count()
    assert {gate.code: gate.passed for gate in shown["gates"]}["gini"] is False  # nobody defaulted here
    carla.post(page("propose", draft.pk), {"propose-reason": "Recent lateness weighs more."})
    assert not carla.get(page("card", draft.pk)).context["may_publish"]
    refused = paolo.post(page("publish", draft.pk), agreed(draft), follow=True)
    assert "defaulted" in refused.content.decode() or "Gini" in refused.content.decode()
    assert Scorecard.objects.get(pk=draft.pk).status == "proposed"
    given = agreed(draft) | {"publish-override_reason": "Too few defaults to measure."}
    paolo.post(page("publish", draft.pk), given)
    assert Scorecard.objects.get(pk=draft.pk).status == "active"
    assert Scorecard.objects.get(pk=active.pk).status == "retired"


@pytest.mark.parametrize(
    ("bins", "told"),
    [
        ([("5", 4, "")], "rationale"),
        ([("5", 4, "In time."), ("9", 1, "Late.")], "no upper bound"),
        ([("5", "", "In time."), ("", 1, "Late.")], "Give the points"),
        ([(str(n), 1, "In time.") for n in range(30)] + [("", 1, "Late.")], "at most 30 forms"),
    ],
)
def test_a_line_that_makes_no_sense_comes_back_with_the_cure(desk, draft, bins, told):
    before = list(draft.bins.values_list("pk", flat=True))
    response = client_of(desk.controller).post(page("signal", draft.pk, "days_late_3m"), lines(bins))
    assert response.status_code == 422 and told in response.content.decode()
    assert list(draft.bins.values_list("pk", flat=True)) == before


def test_two_people_at_one_draft_do_not_overwrite_each_other(desk, draft):
    carla, bruno = client_of(desk.controller), client_of(desk.manager)
    url, numbers = page("signal", draft.pk, "days_late_3m"), page("numbers", draft.pk)
    read = {"read": carla.get(url).context["read"]}
    theirs, mine = (
        lines([("5", 4, "In time."), ("", -4, "Late.")]),
        lines([("9", 3, "Well."), ("", -4, "Late.")]),
    )
    assert bruno.post(url, theirs | read).status_code == 302
    # A slip in the form comes back first: it hands out no newer mark than the one that was read.
    slip = carla.post(url, lines([("9", 3, ""), ("", -4, "Late.")]) | read)
    assert slip.status_code == 422 and slip.context["read"] == read["read"]
    told = carla.post(url, mine | read)
    assert told.status_code == 422 and "Somebody changed this" in told.content.decode()
    assert str(draft.bins.get(signal="days_late_3m", points=4).upper.normalize()) == "5"
    assert carla.post(url, mine | {"read": told.context["read"]}).status_code == 302  # knowing it
    assert str(draft.bins.get(signal="days_late_3m", points=3).upper.normalize()) == "9"
    form = carla.get(numbers).context
    values = {name: form["form"].initial[name] for name in form["form"].fields} | {"read": form["read"]}
    assert bruno.post(numbers, values | {"thin_below": 6}).status_code == 302
    slip = carla.post(numbers, values | {"guarantees_below": "x"})
    assert slip.status_code == 422 and slip.context["read"] == form["read"]
    told = carla.post(numbers, values | {"guarantees_below": 75})
    assert told.status_code == 422 and told.context["read"] not in ("", form["read"])
    assert Scorecard.objects.get(pk=draft.pk).thin_below == 6


def test_numbers_are_typed_and_refused_in_the_reader_s_words(desk, draft):
    carla = client_of(desk.controller)
    type(desk.controller).objects.filter(pk=desk.controller.pk).update(language="it")
    share = page("signal", draft.pk, "late_share_12m")
    assert carla.post(share, lines([("0,5", 4, "Bene."), ("", -4, "Male.")])).status_code == 302
    assert str(draft.bins.get(signal="late_share_12m", points=4).upper.normalize()) == "0.5"
    assert 'value="0,5"' in carla.get(share).content.decode()
    type(desk.controller).objects.filter(pk=desk.controller.pk).update(language="en")
    assert carla.post(share, lines([("0,5", 4, "Well."), ("", -4, "Late.")])).status_code == 422
    form = carla.get(page("numbers", draft.pk)).context["form"]
    values = {name: form.initial[name] for name in form.fields}
    wrong = {"grade_a_from": 50, "review_from": 70, "points_to_double": "0"}
    answer = carla.post(page("numbers", draft.pk), values | wrong)
    assert set(answer.context["form"].errors) == {"grade_a_from", "review_to", "points_to_double"}
    carla.post(share, lines([("0.5", -4, "Well."), ("", 4, "Late.")]))
    text = carla.get(page("card", draft.pk)).content.decode()
    assert "Share paid or open late, by amount: a worse value" in text and "late_share_12m:" not in text


def test_movers_outside_the_portfolio_are_not_named(desk, draft):
    carla = client_of(desk.controller)
    carla.post(page("signal", draft.pk, "due_count_12m"), {"remove": "1"})
    carla.post(page("measure", draft.pk))
    figures = carla.get(page("card", draft.pk)).context["tried"]
    assert {m["account"] for m in figures["figures"]["movers"]} == {desk.account.pk, desk.elsewhere.pk}
    assert [m["account"] for m in figures["movers"]] == [desk.account.pk]
    assert desk.elsewhere.customer.name not in carla.get(page("card", draft.pk)).content.decode()


def test_a_draft_is_not_deleted_by_one_press(desk, draft):
    """It cannot be brought back: the button stands behind a line that says so, with the keyboard and without script."""
    client, address = client_of(desk.controller), page("delete", draft.pk)
    shown = client.get(page("card", draft.pk)).content.decode()
    before = shown[: shown.index(f'action="{address}"')]
    assert before.rindex("<details><summary>Delete this draft") > before.rfind("</details>")
    assert "cannot be brought back" in shown.partition(f'action="{address}"')[2].partition("<button")[0]
    client.post(address)
    assert not Scorecard.objects.filter(pk=draft.pk).exists()


def test_queries_do_not_grow_with_bins_or_cards(desk, draft):
    client = client_of(desk.controller)
    client.get(page("card", draft.pk))
    with CaptureQueriesContext(connection) as few:
        client.get(page("card", draft.pk))
    with CaptureQueriesContext(connection) as one:
        client.get(page("list"))
    for _n in range(3):
        copy_card(draft, by=desk.controller, as_of=TODAY)
    make_account(desk.company, portfolio=desk.portfolio)
    with CaptureQueriesContext(connection) as again:
        client.get(page("card", draft.pk))
    with CaptureQueriesContext(connection) as more:
        client.get(page("list"))
    assert len(again) <= len(few) and len(more) <= len(one)
    assert len(few) <= 20 and len(one) <= 20


def test_overriding_on_the_page(desk):
    carla, shown = client_of(desk.controller), desk.account
    grade = AccountScore.objects.get(account=shown).grade
    given = {
        "grade": "D" if grade != "D" else "C",
        "reason_code": "bad_news",
        "note": "The owner told us.",
        "valid_until": (TODAY + timedelta(days=30)).isoformat(),
    }
    assert carla.post(page("override", shown.pk), given | {"note": ""}).status_code == 422
    assert carla.post(page("override", shown.pk), given | {"grade": grade}).status_code == 422
    assert carla.post(page("override", shown.pk), given).status_code == 302
    made = ScoreOverride.objects.get()
    assert "The owner told us." in carla.get(page("override", shown.pk)).content.decode()
    assert carla.get(page("override", desk.elsewhere.pk)).status_code == 404
    assert client_of(desk.collector).post(page("override", shown.pk), given).status_code == 403
    carla.post(page("end_override", made.pk), {"end-reason": "It was not true."})
    made.refresh_from_db()
    assert made.ended_on == TODAY


def test_only_the_manager_sets_the_gates(desk):
    given = {"min_gini": "0.4", "max_psi": "0.2", "max_age_days": "60"}
    assert client_of(desk.controller).post(page("gate"), given).status_code == 403
    client_of(desk.manager).post(page("gate"), given)
    assert "0.400" in client_of(desk.controller).get(page("list")).content.decode()


def test_a_large_book_is_measured_in_the_background(desk, draft, monkeypatch):
    monkeypatch.setattr("scoring.card_views.MEASURED_AT_ONCE", 0)
    monkeypatch.setattr("scoring.override_views.AT_ONCE", 0)
    carla = client_of(desk.controller)
    carla.post(page("measure", draft.pk))
    carla.post(page("monitor"))
    assert not CardReport.objects.exists()
    under_way = "measuring goes on in the background"
    for _seen in range(2):  # the first page still carries the message of the button
        text = carla.get(page("card", draft.pk)).content.decode()
    assert under_way in text
    for kind, effect in (("measure-card", measure_planned_card), ("monitor-month", monitor_planned_month)):
        run_once(kind, (job := Job.objects.get(kind=kind)).key, job.business_date, effect)
    kinds = set(CardReport.objects.values_list("kind", "made_by"))
    assert kinds == {(kind, "carla") for kind in ("backtest", "stability", "tryout", "monitoring")}
    Job.objects.filter(kind="measure-card").update(status="done", done_at=timezone.now())
    assert under_way not in carla.get(page("card", draft.pk)).content.decode()
    # What the release before planned is done as well: a card's third time, and a month asked for.
    old = {
        "measure-card": (measure_planned_card, f"{draft.pk}-3"),
        "monitor-month": (monitor_planned_month, "now"),
    }
    for kind, (effect, key) in old.items():
        job = run_once(kind, key, Job.objects.filter(kind=kind).first().business_date, effect)
        assert job.status == "done" and CardReport.objects.latest("pk").made_by == "measuring"
    asked = Job.objects.filter(kind="measure-card").count()
    # A draft that cannot be measured is refused on the spot.
    draft.bins.all().delete()
    carla.post(page("measure", draft.pk))
    assert Job.objects.filter(kind="measure-card").count() == asked
