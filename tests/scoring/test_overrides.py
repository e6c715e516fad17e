"""Overriding a score: reasoned, dated, expiring; what it changes and what it never touches."""

from __future__ import annotations

from copy import deepcopy
from datetime import date, timedelta

import pytest
from django.db import DatabaseError, transaction

from creditdesk.core.models import AuditEntry
from scoring.engine import rescore
from scoring.limit_inputs import recommendations
from scoring.models import AccountScore, ScoreOverride
from scoring.overrides import OverrideError, effective, end_override, override_score, overrides_at
from tests.factories import history
from tests.people import Cast, make_cast

pytestmark = pytest.mark.django_db
TODAY = date(2026, 11, 20)
UNTIL = TODAY + timedelta(days=90)


@pytest.fixture(scope="module")
def kept_cast(module_database) -> Cast:
    cast = make_cast()
    issued = [TODAY - timedelta(days=60 + 30 * month) for month in range(8)]
    history(cast.account, [("1000", day, 30, day + timedelta(days=45)) for day in issued])
    rescore(TODAY)
    return cast


@pytest.fixture
def cast(kept_cast, db) -> Cast:
    return deepcopy(kept_cast)


@pytest.fixture
def scored(cast: Cast) -> AccountScore:
    return AccountScore.objects.get(account=cast.account)


def another(grade: str) -> str:
    return "A" if grade != "A" else "B"


def make(cast: Cast, grade: str, **extra) -> ScoreOverride:
    values = {
        "by": cast.controller,
        "reason_code": "guarantee",
        "note": "The parent guarantees all orders.",
        "valid_until": UNTIL,
        "as_of": TODAY,
    }
    return override_score(cast.account, grade, **values | extra)


def refused(code: str):
    return pytest.raises(OverrideError, check=lambda error: error.code == code)


def test_an_override_counts_from_its_first_day_to_its_last(cast, scored):
    made = make(cast, another(scored.grade))
    pk = cast.account.pk
    assert overrides_at([pk], TODAY)[pk] == made and overrides_at([pk], UNTIL)[pk] == made
    assert not overrides_at([pk], TODAY - timedelta(days=1))
    assert not overrides_at([pk], UNTIL + timedelta(days=1))
    assert (made.computed_score, made.computed_grade) == (scored.score, scored.grade)


def test_the_score_stays_and_the_limit_follows_the_grade(cast, scored):
    before = recommendations([cast.account], TODAY)[cast.account.pk].inputs
    make(cast, "D")
    after = recommendations([cast.account], TODAY)[cast.account.pk].inputs
    assert AccountScore.objects.get(pk=scored.pk).grade == scored.grade == before.grade
    assert (after.grade, after.recommendation, after.score) == ("D", "review", scored.score)


def test_a_newer_override_ends_the_older_and_both_stay_on_record(cast, scored):
    first = make(cast, "D")
    second = make(cast, "E", reason_code="bad_news")
    first.refresh_from_db()
    assert first.ended_on == TODAY and first.ended_by == cast.controller
    assert overrides_at([cast.account.pk], TODAY) == {cast.account.pk: second}
    end_override(second, by=cast.approver, reason="It was a namesake.", as_of=TODAY + timedelta(days=3))
    assert not overrides_at([cast.account.pk], TODAY + timedelta(days=3))
    assert overrides_at([cast.account.pk], TODAY + timedelta(days=2))
    acts = (
        AuditEntry.objects.filter(act__startswith="score.over").order_by("pk").values_list("act", flat=True)
    )
    assert list(acts) == [
        "score.overridden",
        "score.override_ended",
        "score.overridden",
        "score.override_ended",
    ]


def test_refusals_say_why(cast, scored):
    with refused("not_allowed"):
        make(cast, "D", by=cast.collector)
    with refused("out_of_scope"):
        make(cast, "D", by=cast.stranger)
    with refused("same_grade"):
        make(cast, scored.grade)
    with refused("no_reason"):
        make(cast, "D", note=" ")
    with refused("dates"):
        make(cast, "D", valid_until=TODAY + timedelta(days=367))
    with refused("dates"):
        make(cast, "D", valid_until=TODAY - timedelta(days=1))
    AccountScore.objects.filter(pk=scored.pk).update(grade="E", recommendation="declined", pd=1)
    with refused("insolvent"):
        make(cast, "B")
    assert not ScoreOverride.objects.exists()


def test_an_override_never_hides_insolvency(cast, scored):
    made = make(cast, another(scored.grade))
    scored.grade, scored.recommendation, scored.pd = "E", "declined", 1
    assert effective(scored, made) == ("E", "declined")


def test_an_override_is_never_edited(cast, scored):
    made = make(cast, "D")
    with pytest.raises(DatabaseError), transaction.atomic():
        ScoreOverride.objects.filter(pk=made.pk).update(grade="A")
    with pytest.raises(DatabaseError), transaction.atomic():
        made.delete()
