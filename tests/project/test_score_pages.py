"""What people see of a score: what would lift it, what it stands on, what changed, its replay, and the review queue."""

from __future__ import annotations

import csv
import io
from copy import deepcopy
from datetime import timedelta
from html import escape, unescape

import pytest
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from creditdesk.desk.customer_figures import score_chart, standing
from creditdesk.navigation import counts
from customers.models import CreditAccount, Customer, ImportBatch, LegalEvent, Payment
from scoring import counterfactual
from scoring.engine import rescore
from scoring.models import AccountScore, DirtyAccount, ScoreHistory, ScoreReview
from scoring.overrides import override_score
from scoring.reviews_of_scores import contest, waiting, waiting_for
from scoring.tasks import rescore_dirty
from tests.desk_world import TODAY, client_of, fill
from tests.factories import invoice, make_account
from tests.people import make_cast

pytestmark = pytest.mark.django_db
UNTIL = TODAY + timedelta(days=90)


@pytest.fixture(scope="module")
def kept_desk(module_database):
    """The account: a thin history of a sole trader, scored a month ago and today."""
    cast = make_cast()
    Customer.objects.filter(pk=cast.account.customer_id).update(kind=Customer.Kind.SOLE_TRADER)
    source = cast.company.sources.get(code="erp")
    fill(cast.account, cast.collector)
    fill(cast.elsewhere)
    ImportBatch.objects.create(source=source, complete_through=TODAY - timedelta(days=60))
    rescore(TODAY - timedelta(days=30))
    ImportBatch.objects.create(source=source, complete_through=TODAY)
    rescore(TODAY)
    cast.account.refresh_from_db()
    return cast


@pytest.fixture
def desk(kept_desk, db, settings):
    settings.BUSINESS_DATE = TODAY
    cache.clear()
    return deepcopy(kept_desk)


def page(desk, **params):
    query = "&".join(f"{key}={value}" for key, value in params.items())
    return f"{reverse('desk:customer', args=[desk.account.customer_id])}?{query}"


def queries(client, url) -> int:
    with CaptureQueriesContext(connection) as caught:
        assert client.get(url).status_code == 200
    return len(caught)


def test_what_would_lift_it_is_loaded_apart_and_leaves_nothing(desk):
    client, url = client_of(desk.controller), reverse("desk:would_lift", args=[desk.account.pk])
    assert f'hx-get="{url}"' in client.get(page(desk)).content.decode()
    payments = Payment.objects.count()
    part = client.get(url, headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in part and "Paying everything overdue" in part and "700.00 EUR" in part
    assert "<html" in client.get(url).content.decode()
    assert Payment.objects.count() == payments
    assert client_of(desk.stranger).get(url).status_code == 404
    assert client.post(url).status_code == 405


def test_what_would_lift_a_score_is_tried_once_for_that_score(desk, monkeypatch):
    client, url = client_of(desk.controller), reverse("desk:would_lift", args=[desk.account.pk])
    DirtyAccount.objects.all().delete()
    tried, plain = [], counterfactual._simulated
    monkeypatch.setattr(counterfactual, "_simulated", lambda *args: tried.append(1) or plain(*args))
    first, again = (client.get(url, headers={"HX-Request": "true"}).content for _n in range(2))
    assert again == first and b"Paying everything overdue" in first
    assert client_of(desk.manager).get(url).status_code == 200
    assert len(tried) == 1
    DirtyAccount.objects.create(account=desk.account)  # something moved; it is scored anew in a moment
    client.get(url)
    assert len(tried) == 2
    assert rescore_dirty() == 1 and client.get(url).status_code == client.get(url).status_code == 200
    assert len(tried) == 3
    busy = client.get(page(desk)).content.decode().partition('class="d-busy"')[2]
    assert "Payments are being tried" in busy.partition("</details>")[0]


def test_an_override_in_force_and_the_depth_stand_on_the_tile(desk):
    client = client_of(desk.controller)
    assert "overridden to" not in client.get(page(desk)).content.decode()
    grade = "A" if AccountScore.objects.get(account=desk.account).grade != "A" else "B"
    values = {"by": desk.approver, "note": "The parent pays.", "valid_until": UNTIL, "as_of": TODAY}
    override_score(desk.account, grade, reason_code="guarantee", **values)
    response = client.get(page(desk))
    text = response.content.decode()
    assert f"overridden to {grade} until 18 Feb 2027 by paolo" in text
    assert reverse("scorecards:override", args=[desk.account.pk]) in text
    assert "overridden" in str(response.context["score_chart"].notes)
    assert f"depth {response.context['grid'].letter}" in text


def test_no_event_is_chosen_for_who_records_one(desk):
    """The gravest stands first: insolvency cuts limits at once."""
    client, url = client_of(desk.controller), reverse("admin:customers_legalevent_add")
    text = client.get(url).content.decode()
    kinds = text[text.index('name="kind"') :]
    assert '<option value="" selected>' in kinds[: kinds.index("</select>")]
    sent = {"customer": desk.account.customer_id, "source": "register", "kind": ""}
    client.post(url, sent | {"effective_on": TODAY.isoformat(), "known_on": TODAY.isoformat()})
    assert not LegalEvent.objects.filter(source="register").exists()


def test_home_and_the_customer_page_tell_one_movement(desk):
    client = client_of(desk.controller)
    trend = client.get(page(desk)).context["trend"]
    found = {one["account"].pk: one for one in client.get(reverse("desk:home")).context["movers"]}
    assert trend["delta"] and found[desk.account.pk]["delta"] == trend["delta"]
    assert desk.account.pk not in {
        one["account"].pk
        for one in client_of(desk.stranger).get(reverse("desk:home")).context["movers"] or ()
    }


def test_nothing_is_chosen_for_who_overrides_a_score(desk):
    """The first grade of a list is A: a form sent in haste must not set it."""
    url = reverse("scorecards:override", args=[desk.account.pk])
    text = client_of(desk.approver).get(url).content.decode()
    assert text.count('<option value="" selected>') == 2
    sent = {"note": "Seen on site.", "valid_until": UNTIL.isoformat(), "grade": "", "reason_code": ""}
    response = client_of(desk.approver).post(url, sent)
    assert response.status_code == 422 and set(response.context["form"].errors) == {"grade", "reason_code"}


def test_every_missing_input_names_its_cure(desk):
    response = client_of(desk.controller).get(page(desk))
    rows = response.context["grid_rows"]
    assert len(rows) == 6
    for row in rows:
        assert bool(row.cure) == (not row.answer.is_known or row.answer.fresh is False), row.answer.code
        assert not row.cure or (row.url and row.url in response.content.decode().replace("&amp;", "&"))
    # Who may not open the page reads the cure without a link that would refuse them.
    rows = client_of(desk.auditor).get(page(desk)).context["grid_rows"]
    assert any(row.cure for row in rows) and not any(row.url for row in rows)


def test_two_days_are_compared_in_either_order_and_add_up(desk):
    client = client_of(desk.controller)
    days = (TODAY - timedelta(days=30), TODAY)
    for first, second in (days, days[::-1]):
        found = client.get(page(desk, tab="history", first=first, second=second)).context["changes"]
        assert (found.before.as_of, found.after.as_of) == days
        moved = sum(m.points for m in found.moved)
        assert found.before.score + found.card_step + moved == found.after.score and moved
    response = client.get(page(desk, tab="history", first=TODAY, second=TODAY + timedelta(days=1)))
    assert response.context["changes"] is None and "No day after today." in response.content.decode()


def test_a_kept_score_is_replayed_on_screen(desk):
    kept = ScoreHistory.objects.filter(account=desk.account).order_by("-pk").first()
    url = reverse("desk:replay", args=[kept.pk])
    client = client_of(desk.auditor)
    assert url in client.get(page(desk, tab="history")).content.decode()
    assert "The same again, from its inputs and from the facts." in client.get(url).content.decode()
    assert client_of(desk.stranger).get(url).status_code == 404


def test_a_replay_that_differs_says_where(desk):
    kept = ScoreHistory.objects.filter(account=desk.account).order_by("-pk").first()
    forged = ScoreHistory.objects.create(
        **{f.attname: getattr(kept, f.attname) for f in kept._meta.fields if f.name != "id"} | {"score": 99}
    )
    text = client_of(desk.auditor).get(reverse("desk:replay", args=[forged.pk])).content.decode()
    assert "It does not come out the same." in text and "<td>99</td>" in text


def test_the_queue_shows_the_portfolio_ranked_by_exposure_and_counts_it(desk):
    big = make_account(desk.company, "Big", portfolio=desk.portfolio)
    invoice(big, "90000", TODAY - timedelta(days=10))
    rescore(TODAY)
    cache.clear()
    response = client_of(desk.controller).get(reverse("reviews:queue"))
    assert [row.account.pk for row in response.context["rows"]] == [big.pk, desk.account.pk]
    assert counts(desk.controller)["reviews"] == 2
    assert "reviews" not in counts(desk.collector)
    # A contest comes before any amount of money.
    contest(desk.account, by=desk.collector, said="Not mine.", said_on=TODAY, as_of=TODAY)
    response = client_of(desk.controller).get(reverse("reviews:queue"))
    assert [row.account.pk for row in response.context["rows"]] == [desk.account.pk, big.pk]


def test_queries_of_the_queue_do_not_grow(desk):
    client = client_of(desk.controller)
    client.get(reverse("reviews:queue"))
    before = queries(client, reverse("reviews:queue"))
    for number in range(4):
        fill(make_account(desk.company, f"More {number}", portfolio=desk.portfolio), decisions=False)
    rescore(TODAY)
    assert waiting_for(desk.controller, TODAY).count() == 5
    assert queries(client, reverse("reviews:queue")) <= before


def test_deciding_on_the_page(desk):
    client, url = client_of(desk.controller), reverse("reviews:review", args=[desk.account.pk])
    grade = AccountScore.objects.get(account=desk.account).grade
    data = {"seen_grade": grade, "grade": grade, "note": "", "valid_until": UNTIL.isoformat()}
    assert client.post(url, data).status_code == 422
    other = "A" if grade != "A" else "B"
    lacking = client.post(url, data | {"grade": other, "note": "I know them."})
    assert lacking.status_code == 422 and "Another grade needs its reason." in lacking.content.decode()
    assert not ScoreReview.objects.exists()
    assert client.post(url, data | {"note": "Called them."}).url == reverse("reviews:queue")
    assert not waiting_for(desk.controller, TODAY).exists()
    assert "does not wait for a person" in client.get(url).content.decode()
    assert client_of(desk.stranger).get(url).status_code == 404
    assert "Called them." in client_of(desk.auditor).get(page(desk, tab="history")).content.decode()


def test_contesting_on_the_page(desk):
    url = reverse("reviews:contest", args=[desk.account.pk])
    client = client_of(desk.collector)
    assert url in client.get(page(desk)).content.decode()
    data = {"said": "I was in hospital.", "said_on": TODAY.isoformat()}
    assert client.post(url, data | {"said": ""}).status_code == 422
    assert client.post(url, data).status_code == 302
    text = client.get(page(desk)).content.decode()
    assert "contested the score on 20 Nov 2026: answer by 20 Dec 2026" in text and url not in text
    assert client.get(reverse("reviews:review", args=[desk.account.pk])).status_code == 403
    first = client_of(desk.controller).get(reverse("reviews:review", args=[desk.account.pk])).content.decode()
    assert "I was in hospital." in first


def test_every_point_of_a_score_stands_on_the_page_and_the_table_adds_up(desk):
    response = client_of(desk.controller).get(page(desk))
    why, text = response.context["why"], response.content.decode()
    assert why.base_points + sum(item.points for item in why.by_weight) == why.score
    unnamed = [item for item in why.items if item not in why.hurting and item not in why.helping]
    assert any(item.points for item in unnamed), "nothing is among all others: the test shows nothing"
    table = text[text.index("All figures and their points") :]
    table = table[: table.index("</table>")]
    assert all(escape(item.label) in table for item in why.items)
    assert table.count("<tr>") == len(why.items) + 3  # head, base, together


def test_a_score_that_waits_for_a_person_is_what_comes_next(desk):
    """The customer page said "Nothing to do" of a score that a person had yet to decide on."""
    url = reverse("reviews:review", args=[desk.account.pk])
    response = client_of(desk.controller).get(page(desk))
    assert response.context["undecided"] and url in response.content.decode()
    seen = client_of(desk.collector).get(page(desk)).content.decode()
    assert response.context["undecided"] in unescape(seen) and f'"{url}"' not in seen
    values = {"grade": response.context["now"].score.grade, "note": "Seen.", "valid_until": UNTIL}
    posted = client_of(desk.approver).post(url, values | {"seen_grade": values["grade"]})
    assert posted.url == reverse("reviews:queue")
    response = client_of(desk.controller).get(page(desk))
    assert not response.context["undecided"]
    assert "confirmed by paolo on 20 Nov 2026, until 18 Feb 2027" in response.content.decode()


def test_one_decision_leads_to_the_next(desk):
    big = make_account(desk.company, "Big", portfolio=desk.portfolio)
    invoice(big, "90000", TODAY - timedelta(days=10))
    rescore(TODAY)
    for done, then in ((big, desk.account), (desk.account, None)):
        grade = AccountScore.objects.get(account=done).grade
        values = {"grade": grade, "seen_grade": grade, "note": "Seen.", "valid_until": UNTIL, "next": ""}
        posted = client_of(desk.approver).post(reverse("reviews:review", args=[done.pk]), values)
        wanted = reverse("reviews:review", args=[then.pk]) if then else reverse("reviews:queue")
        assert posted.url == wanted


def test_what_counts_is_said_beside_the_cards_word_and_not_against_an_insolvency(desk):
    grade = "A" if AccountScore.objects.get(account=desk.account).grade != "A" else "B"
    values = {"by": desk.approver, "note": "The parent pays.", "valid_until": UNTIL, "as_of": TODAY}
    override_score(desk.account, grade, reason_code="guarantee", **values)
    text = client_of(desk.controller).get(page(desk)).content.decode()
    assert f"is the grade a person set: {grade}, <b>approved</b>" in text
    account = CreditAccount.objects.filter(pk=desk.account.pk)
    assert not waiting(account, TODAY).exists()
    # Proceedings open: no override speaks of them, and only a person may decline this sole trader.
    LegalEvent.objects.create(
        customer=desk.account.customer, kind="insolvency", effective_on=TODAY, known_on=TODAY, source="court"
    )
    rescore(TODAY)
    assert waiting(account, TODAY).exists()
    response = client_of(desk.controller).get(page(desk))
    assert "does not count against an insolvency" in response.content.decode()
    assert "natural person" in response.context["undecided"]


def test_an_override_ends_on_the_day_after_its_last(desk):
    values = {"by": desk.approver, "note": "Known.", "reason_code": "guarantee"}
    grade = "A" if AccountScore.objects.get(account=desk.account).grade != "A" else "B"
    last = TODAY + timedelta(days=2)
    override_score(desk.account, grade, as_of=TODAY, valid_until=last, **values)

    def notes(day):
        return str(score_chart(standing(desk.account, day)).notes)

    assert "ended" not in notes(last) and "ended" in notes(last + timedelta(days=1))


def test_the_history_is_a_file_whose_rows_add_up(desk):
    url = reverse("desk:score_export", args=[desk.account.pk, "csv"])
    text = b"".join(client_of(desk.auditor).get(url).streaming_content).decode("utf-8-sig")
    lines = [row for row in csv.reader(io.StringIO(text)) if not row[0].startswith("#")]
    head, rows = lines[0], lines[1:]
    kept = ScoreHistory.objects.filter(account=desk.account)
    assert {int(row[0]) for row in rows} == set(kept.values_list("pk", flat=True)) and rows
    base, score = head.index("base points"), head.index("score")
    for row in rows:
        assert sum(int(cell or 0) for cell in row[base:]) == int(row[score])
    assert client_of(desk.controller).get(url[: -len("csv")] + "xlsx").status_code == 200
    assert client_of(desk.stranger).get(url).status_code == 404
    assert url in client_of(desk.auditor).get(page(desk, tab="history")).content.decode()
