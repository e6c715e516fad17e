"""Ratings of any agency from files: previewed, corrected, refused row by row, undone."""

from datetime import date

import pytest

from creditdesk.core.facts import View
from customers.bank.feeds import Options
from customers.bureau.bases import record_basis
from customers.evidence.imports import run_evidence_import
from customers.evidence.mapping import find_evidence_mapping, parse_evidence_spec
from customers.imports.problems import cure, reason
from customers.imports.spec import SpecError
from customers.imports.undo import undo_batch
from customers.models import BureauReport, Customer, ImportMapping
from tests import words
from tests.factories import ACTOR, make_account, make_company

pytestmark = pytest.mark.django_db
TODAY = date(2026, 11, 20)
HEAD = "customer,agency,date,known,standing,score,outcome,pd_percent,currency,limit,activity\n"
GOOD = (
    HEAD + "T-A,Alfa Rating,2026-06-30,2026-07-02,72,BBB,,1.25,EUR,20000.00,active\n"
    "T-A,Alfa Rating,2026-09-30,,55,BB,,2.5,,,\n"
    "T-A,Beta,2026-09-30,,,,not_found,,,,\n"
)


@pytest.fixture
def customer():
    company = make_company()
    rows = [make_account(company, kind=kind).customer for kind in ("company", "sole_trader")]
    for row, code in zip(rows, ("T-A", "T-P"), strict=True):
        Customer.objects.filter(pk=row.pk).update(code=code)
    return rows[1]


def take(tmp_path, text, *, mapping=None, commit=True, today=TODAY):
    path = tmp_path / "ratings.csv"
    path.write_text(text)
    mapping = mapping or find_evidence_mapping("agency-ratings")
    return run_evidence_import(path, mapping, Options(today=today, commit=commit))


def test_ratings_come_in_once_are_corrected_and_undone(tmp_path, customer):
    assert take(tmp_path, GOOD, commit=False).counts["new"] == 3 and not BureauReport.objects.exists()
    first = take(tmp_path, GOOD)
    row = BureauReport.objects.get(effective_on=date(2026, 6, 30))
    assert (row.provider, row.standing, row.raw_score, row.pd_basis_points) == ("alfa-rating", 72, "BBB", 125)
    assert (str(row.recommended_limit), row.activity, row.known_on) == (
        "20,000.00 EUR",
        "active",
        date(2026, 7, 2),
    )
    assert BureauReport.objects.get(provider="beta").outcome == "not_found"
    assert take(tmp_path, GOOD).counts["unchanged"] == 3
    later = take(tmp_path, GOOD.replace(",55,BB", ",35,B"))
    assert later.counts["corrected"] == 1
    assert BureauReport.objects.seen().get(raw_score="B").known_on == TODAY
    assert BureauReport.objects.seen(View(known_at=date(2026, 7, 3))).count() == 1
    undo_batch(later.batch, actor=ACTOR, reason="wrong", on=TODAY)
    assert BureauReport.objects.seen().filter(raw_score="BB").exists()
    undo_batch(first.batch, actor=ACTOR, reason="wrong", on=TODAY)


def test_an_undo_leaves_what_was_corrected_again_meanwhile(tmp_path, customer):
    take(tmp_path, GOOD)
    # Another one of the customer's, corrected by the file and then again by somebody else, stands as it is.
    both = take(
        tmp_path, HEAD + "T-A,Alfa Rating,2026-09-30,,30,B,,,,,\nT-A,Кредитинформ,2026-09-30,,60,,,,,,\n"
    )
    assert BureauReport.objects.get(standing=60).provider.startswith("agency-")
    take(tmp_path, HEAD + "T-A,Alfa Rating,2026-09-30,,25,B,,,,,\n")
    undo_batch(both.batch, actor=ACTOR, reason="wrong", on=TODAY)
    current = BureauReport.objects.filter(superseded_at__isnull=True, effective_on=date(2026, 9, 30))
    assert list(current.filter(provider="alfa-rating").values_list("standing", flat=True)) == [25]


def test_what_cannot_be_taken_says_row_field_and_cure(tmp_path, customer):
    text = HEAD + (
        "T-A,Alfa,2026-09-30,,101,,,,,,\n"
        "T-A,Alfa,2026-09-29,,50,,unrated,,,,\n"
        "T-A,Alfa,2026-09-28,,50,,,130,,,\n"
        "T-A,!,2026-09-27,,50,,,,,,\n"
        "T-A,Alfa,2026-09-26,,50,,,,,100,\n"
        "T-A,Alfa,2027-01-01,,50,,,,,,\n"
        "T-P,Alfa,2026-09-30,,50,,,,,,\n"
        "T-A,Alfa,2026-09-25,,,X,not_found,,,,\n"
        "T-A,Alfa,2026-09-24,,50,,,,EUR,-5,\n"
    )
    report = take(tmp_path, text)
    assert [(p.row, p.column, p.code) for p in report.problems] == [
        (2, "standing", "bad_integer"),
        (3, "outcome", "rating_contradiction"),
        (4, "pd_percent", "bad_percent"),
        (5, "agency", "missing_value"),
        (6, "currency", "missing_value"),
        (7, "date", "fact_in_future"),
        (8, "", "no_bureau_basis"),
        (9, "outcome", "rating_contradiction"),
        (10, "limit", "amount_not_positive"),
    ]
    assert all(reason(p.code, p.params) and cure(p.code, p.params) for p in report.problems)
    assert not BureauReport.objects.exists()
    record_basis(
        customer, "contract", reference="c", effective_on=TODAY, expires_on=None, actor=ACTOR, known_on=TODAY
    )
    assert take(tmp_path, text).counts["new"] == 1


def test_a_mapping_carries_the_scale_of_its_agency(tmp_path, customer):
    raw = {
        "columns": {"customer": "c", "effective_on": "d", "raw_score": "s"},
        "constants": {"provider": "Gamma", "raw_scale": "600-100"},
        "scale": {"from": 600, "to": 100},
    }
    mapping = ImportMapping(slug="gamma", layout="ratings", spec=raw)
    with words.watched():
        report = take(
            tmp_path, "c,d,s\nT-A,2026-09-30,225\nT-A,2026-09-29,700\nT-A,2026-09-28,\n", mapping=mapping
        )
    assert [p.code for p in report.problems] == ["not_on_scale"]
    assert set(BureauReport.objects.values_list("standing", "outcome")) == {(75, "rated"), (None, "unrated")}
    for wrong in ({"scale": {}}, {"scale": {"from": 1, "to": 1}}, {"scale": {"table": {"A": "x"}}}):
        with pytest.raises(SpecError):
            parse_evidence_spec("gamma", "ratings", raw | wrong)
