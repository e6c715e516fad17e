"""The same key, the same answer: sent again, sent at once, and after a failure in between."""

from __future__ import annotations

import threading
from datetime import date
from unittest.mock import patch

import pytest
from django.db import connections

from creditdesk.api.models import ApiRequest, IdempotentAnswer, ScoringJob
from creditdesk.core.models import AuditEntry, User
from customers.models import LimitChange
from tests.api.conftest import Caller, euro, key_for, make_world
from tests.api.test_endpoints import problem


def proposed():
    return LimitChange.objects.filter(proposer_name="API: till")


BODY = {"customer": "C-1001", "amount": euro("25000"), "reason": "growing_business"}


@pytest.mark.django_db
def test_the_same_key_gives_the_same_bytes_and_no_second_effect(world):
    first = world.caller.post("limit-changes", BODY, "k-1")
    LimitChange.objects.filter(status="proposed").update(status="withdrawn", decided_at="2026-11-20T10:00Z")
    again = world.caller.post("limit-changes", BODY, "k-1")
    assert (again.status_code, again.content) == (
        first.status_code,
        first.content,
    ) and first.status_code == 201
    assert (again["Location"], again["Content-Type"]) == (first["Location"], first["Content-Type"])
    assert "Idempotency-Replayed" not in first and again["Idempotency-Replayed"] == "true"
    assert proposed().count() == AuditEntry.objects.filter(act="limit.propose").count() == 1
    assert list(ApiRequest.objects.order_by("pk").values_list("is_replay", flat=True)) == [False, True]

    problem(
        world.caller.post("limit-changes", BODY | {"reason": "seasonal_peak"}, "k-1"),
        422,
        "idempotency_key_reused",
    )
    problem(world.caller.post("scoring-jobs", BODY, "k-1"), 422, "idempotency_key_reused")
    same_user = Caller(key_for(world.cast.integration)[1])
    assert same_user.post("limit-changes", BODY, "k-1").content == first.content
    elsewhere = Caller(key_for(world.cast.integration, company=world.cast.elsewhere.company)[1])
    problem(elsewhere.post("limit-changes", BODY, "k-1"), 422, "idempotency_key_reused")
    reader = Caller(key_for(world.cast.integration, "limit-changes:read")[1])
    problem(reader.post("limit-changes", BODY, "k-1"), 403, "scope_missing")
    other = Caller(key_for(world.cast.controller)[1])
    assert other.post("limit-changes", BODY, "k-1").status_code == 201
    for wrong in ("", "with space", "x" * 256, "ü"):
        headers = world.caller.headers(**{"Idempotency-Key": wrong})
        sent = world.caller.client.post(
            "/api/v1/limit-changes", BODY, content_type="application/json", headers=headers
        )
        problem(sent, 400, "idempotency_key_missing")


@pytest.mark.django_db
def test_a_refusal_by_the_rules_is_an_answer_and_a_request_not_understood_is_none(world):
    world.caller.post("limit-changes", BODY)
    refused = world.caller.post("limit-changes", BODY, "k-2")
    problem(refused, 409, "already_waiting")
    LimitChange.objects.filter(status="proposed").update(status="withdrawn", decided_at="2026-11-20T10:00Z")
    assert world.caller.post("limit-changes", BODY, "k-2").content == refused.content
    problem(world.caller.post("limit-changes", {}, "k-3"), 400, "invalid")
    assert world.caller.post("limit-changes", BODY, "k-3").status_code == 201


@pytest.mark.django_db
def test_what_fails_in_between_leaves_nothing_and_may_be_sent_again(world):
    with patch("creditdesk.api.idempotency.JSONRenderer.render", side_effect=RuntimeError("killed")):
        # The effect is written, its answer is not: what a killed process leaves, the database takes back.
        failed = world.caller.post("limit-changes", BODY, "k-4")
    assert failed.status_code == 500 and b"killed" not in failed.content
    assert not proposed().exists() and not IdempotentAnswer.objects.exists()
    assert not AuditEntry.objects.filter(act="limit.propose").exists()
    assert world.caller.post("limit-changes", BODY, "k-4").status_code == 201
    assert proposed().count() == 1


@pytest.mark.django_db(transaction=True)
def test_sent_many_times_at_once_it_happens_once_and_all_get_the_same_answer(settings):
    settings.BUSINESS_DATE = date(2026, 11, 20)
    world = make_world()
    token, start, answers = world.caller.token, threading.Barrier(8), []

    def send(number: int) -> None:
        try:
            start.wait(timeout=20)
            # Six send the same; two others, meanwhile, want something else of the same account.
            key = "one" if number < 6 else f"other-{number}"
            body = {"all": True} if number < 6 else {"customers": ["C-1001"]}
            answers.append((key, Caller(token).post("scoring-jobs", body, key)))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=send, args=[number]) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert len(answers) == 8 and {answer.status_code for _key, answer in answers} == {202}
    same = [answer for key, answer in answers if key == "one"]
    assert len(same) == 6 and len({answer.content for answer in same}) == 1
    assert sum("Idempotency-Replayed" in answer for answer in same) == 5
    assert ScoringJob.objects.count() == 3 == IdempotentAnswer.objects.count()
    assert User.objects.filter(api_keys__last_used_at__isnull=False).count() == 1
