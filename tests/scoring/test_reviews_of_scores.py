"""Scores left to a person: who waits, what a decision does, and a customer who contests it."""

from __future__ import annotations

from copy import deepcopy
from datetime import date, timedelta

import pytest
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext

from creditdesk.core import roles
from creditdesk.core.models import AuditEntry
from customers.exposure import exposures, totals_now
from customers.models import CreditAccount, Customer, ImportBatch
from scoring.engine import rescore
from scoring.models import AccountScore, ScoreHistory, ScoreReview
from scoring.overrides import override_score, overrides_at
from scoring.review_queue import ranked, rows
from scoring.reviews_of_scores import ReviewError, contest, decide, waiting, waiting_for, why, with_contests
from tests.desk_world import fill
from tests.factories import history, invoice, make_account
from tests.people import Cast, make_cast, make_user

pytestmark = pytest.mark.django_db
TODAY = date(2026, 11, 20)
UNTIL = TODAY + timedelta(days=180)


def good(account, months: int = 8) -> None:
    issued = [TODAY - timedelta(days=120 + 30 * month) for month in range(months)]
    history(account, [("1000", day, 30, day + timedelta(days=25)) for day in issued])


@pytest.fixture(scope="module")
def kept_book(module_database) -> Cast:
    """account: thin history; good: approved; sole, ltd: the same bad payers, a natural person and a company."""
    cast = make_cast()
    ImportBatch.objects.create(source=cast.company.sources.get(code="erp"), complete_through=TODAY)
    invoice(cast.account, "900", TODAY - timedelta(days=60))
    cast.good = make_account(cast.company, "Good", portfolio=cast.portfolio)
    good(cast.good)
    cast.sole = make_account(cast.company, "Sole", portfolio=cast.portfolio, kind=Customer.Kind.SOLE_TRADER)
    cast.ltd = make_account(cast.company, "Ltd", portfolio=cast.portfolio)
    for account in (cast.sole, cast.ltd):
        for month in range(9):
            invoice(account, "1000", TODAY - timedelta(days=120 + 30 * month))
    rescore(TODAY)
    return cast


@pytest.fixture
def book(kept_book, db) -> Cast:
    return deepcopy(kept_book)


def who(rows) -> set[int]:
    return set(rows.values_list("pk", flat=True))


def confirm(book: Cast, account, by=None, **extra) -> ScoreReview:
    values = {
        "by": by or book.controller,
        "note": "Spoke to them; the plan holds.",
        "valid_until": UNTIL,
        "as_of": TODAY,
        "seen_grade": AccountScore.objects.get(account=account).grade,
    }
    return decide(account, **values | extra)


def contested(book: Cast, account=None, **extra) -> ScoreReview:
    values = {"by": book.collector, "said": "I was in hospital.", "said_on": TODAY, "as_of": TODAY}
    return contest(account or book.sole, **values | extra)


def refused(code: str):
    return pytest.raises(ReviewError, check=lambda error: error.code == code)


def test_thin_scores_and_declined_natural_persons_wait_but_not_declined_companies(book):
    rows = {row.account_id: row for row in AccountScore.objects.all()}
    assert rows[book.sole.pk].recommendation == rows[book.ltd.pk].recommendation == "declined"
    assert rows[book.good.pk].recommendation == "approved"
    assert who(waiting_for(book.controller, TODAY)) == {book.account.pk, book.sole.pk}
    assert who(waiting_for(book.stranger, TODAY)) <= {book.elsewhere.pk}
    loaded = {row.pk: row for row in with_contests(waiting_for(book.controller, TODAY))}
    assert "natural person" in why(loaded[book.sole.pk], None)
    assert "Little" in why(loaded[book.account.pk], None)


def test_a_grey_score_waits_whoever_it_is(book):
    AccountScore.objects.filter(account=book.ltd).update(score=50, recommendation="review")
    found = with_contests(waiting_for(book.controller, TODAY)).get(pk=book.ltd.pk)
    assert "grey zone" in why(found, None)


def test_a_decided_one_leaves_until_it_expires_or_the_grade_changes(book):
    made = confirm(book, book.account)
    assert book.account.pk not in who(waiting_for(book.controller, TODAY))
    assert book.account.pk not in who(waiting_for(book.controller, UNTIL))
    assert book.account.pk in who(waiting_for(book.controller, UNTIL + timedelta(days=1)))
    other = "A" if made.grade != "A" else "B"
    AccountScore.objects.filter(account=book.account).update(grade=other)
    assert book.account.pk in who(waiting_for(book.controller, TODAY))


def test_a_decision_keeps_what_was_decided_on_and_is_audited(book):
    row = AccountScore.objects.get(account=book.account)
    made = confirm(book, book.account)
    assert (made.score, made.grade, made.outcome) == (row.score, row.grade, "confirmed")
    assert made.kept.because == ScoreHistory.Because.DECISION and made.kept.score == row.score
    entry = AuditEntry.objects.get(act="score.reviewed")
    assert entry.actor == book.controller and entry.note.text == made.note


def test_another_grade_overrides_the_score(book):
    made = confirm(book, book.sole, grade="C", reason_code="guarantee")
    assert made.outcome == "overridden"
    assert overrides_at([book.sole.pk], TODAY) == {book.sole.pk: made.override}
    assert book.sole.pk not in who(waiting_for(book.controller, TODAY))


def test_an_override_made_elsewhere_is_a_persons_decision_while_it_holds(book):
    override_score(
        book.sole,
        "C",
        by=book.approver,
        reason_code="guarantee",
        note="Guarantee of the bank.",
        valid_until=UNTIL,
        as_of=TODAY,
    )
    assert book.sole.pk not in who(waiting_for(book.controller, TODAY))
    assert book.sole.pk in who(waiting_for(book.controller, UNTIL + timedelta(days=1)))


@pytest.mark.parametrize(
    ("extra", "code"),
    [
        ({"note": " "}, "no_reason"),
        ({"valid_until": TODAY - timedelta(days=1)}, "dates"),
        ({"valid_until": TODAY + timedelta(days=400)}, "dates"),
        ({"seen_grade": "?"}, "moved"),
    ],
)
def test_what_a_decision_needs(book, extra, code):
    with refused(code):
        confirm(book, book.account, **extra)


def test_who_may_decide_and_on_what(book):
    with refused("not_allowed"):
        confirm(book, book.account, by=book.collector)
    with refused("out_of_scope"):
        confirm(book, book.account, by=book.stranger)
    with refused("not_waiting"):
        confirm(book, book.good)
    assert not ScoreReview.objects.exists()


def test_a_contest_reopens_the_case_for_somebody_else_within_a_month(book):
    first = confirm(book, book.sole)
    asked = contested(book, said_on=date(2026, 10, 31))
    assert (asked.contests, asked.first_by, asked.valid_until) == (first, book.controller, date(2026, 11, 30))
    assert book.sole.pk in who(waiting_for(book.approver, TODAY))
    assert book.sole.pk not in who(waiting_for(book.controller, TODAY))
    with refused("same_person"):
        confirm(book, book.sole)
    answer = confirm(book, book.sole, by=book.approver)
    assert answer.answers == asked
    assert book.sole.pk not in who(waiting_for(book.approver, TODAY))
    assert AuditEntry.objects.filter(act="score.contested", actor=book.collector).count() == 1


def test_a_contested_override_is_answered_by_another_than_made_it(book):
    confirm(book, book.sole, by=book.approver, grade="D", reason_code="strategic")
    assert contested(book).first_by == book.approver
    with refused("same_person"):
        confirm(book, book.sole, by=book.approver)
    other = make_user("petra", roles.APPROVER, company=book.company)
    confirm(book, book.sole, by=other, grade="B", reason_code="data_error")
    assert overrides_at([book.sole.pk], TODAY)[book.sole.pk].grade == "B"


def test_a_contest_before_any_decision_may_be_answered_by_anybody_who_decides(book):
    asked = contested(book)
    assert asked.first_by is None and asked.contests is None
    assert confirm(book, book.sole).answers == asked


def test_what_a_contest_needs(book):
    with refused("not_natural"):
        contested(book, book.ltd)
    with refused("no_reason"):
        contested(book, said=" ")
    with refused("dates"):
        contested(book, said_on=TODAY + timedelta(days=1))
    with refused("not_allowed"):
        contested(book, by=book.auditor)
    contested(book)
    with refused("open"):
        contested(book)


def test_the_database_keeps_reviews_and_refuses_the_same_person(book):
    made = confirm(book, book.sole)
    asked = contested(book)
    forged = {
        f.attname: getattr(made, f.attname) for f in made._meta.fields if f.name not in ("id", "answers")
    }
    for forge in (
        lambda: ScoreReview.objects.filter(pk=made.pk).update(note="Something else."),
        lambda: ScoreReview.objects.filter(pk=made.pk).delete(),
        lambda: ScoreReview.objects.create(**forged, answers=asked),
        lambda: ScoreReview.objects.create(
            **forged | {"account_id": book.ltd.pk, "by": book.approver}, answers=asked
        ),
    ):
        with pytest.raises(DatabaseError), transaction.atomic():
            forge()


def test_the_queue_is_one_query_however_many_wait(book):
    def queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as caught:
            list(waiting(CreditAccount.objects.all(), TODAY))
        return len(caught)

    assert queries() == 1
    for number in range(3):
        make_account(book.company, f"New {number}")
    rescore(TODAY)
    assert queries() == 1


def test_the_ranking_weighs_by_the_exposure_of_the_customers_page(book):
    fill(book.account, decisions=False)
    dollars = make_account(book.company, "In dollars", currency="USD")
    invoice(dollars, "50", TODAY - timedelta(days=40), currency="USD")
    rescore(TODAY)
    accounts = waiting(CreditAccount.objects.all(), TODAY)
    exact = exposures(accounts, TODAY)
    rough = totals_now(list(exact), TODAY)
    assert {pk: e.total.minor for pk, e in exact.items() if e.total.minor} == {
        pk: minor for (pk, _currency), minor in rough.items() if minor
    }
    found = ranked(accounts, TODAY)
    assert found.missing_rate and len(found.ids) == len(
        exact
    )  # no rate of the dollar: said, and nobody is lost
    assert [row.account.pk for row in rows(found.ids, TODAY)] == found.ids
