"""Scoring in bulk: a job with a row per account, worked off in chunks, resumable."""

from __future__ import annotations

from unittest.mock import patch

import pytest

from creditdesk.api import bulk
from creditdesk.core.jobs import run_once
from creditdesk.core.models import AuditEntry, Job
from customers.models import Access
from scoring.models import AccountScore
from tests.api.conftest import Caller, key_for
from tests.api.test_endpoints import problem

pytestmark = pytest.mark.django_db


def test_a_job_scores_what_is_named_and_says_how_each_row_went(world, run_queued):
    asked = world.caller.post("scoring-jobs", {"customers": ["C-1002", "nobody", "C-1001", "C-1002"]})
    assert asked.status_code == 202
    job = asked.json()
    assert (job["state"], job["total"], job["rows"]) == ("waiting", 3, {"waiting": 2, "done": 0, "failed": 1})
    path = f"scoring-jobs/{job['id']}"
    assert asked["Location"] == f"/api/v1/{path}" and world.caller.get(path).json() == job
    assert run_queued("bulk") == ["creditdesk.core.jobs.perform"]
    done = world.caller.get(path).json()
    assert (done["state"], done["rows"]) == ("done", {"waiting": 0, "done": 2, "failed": 1})
    rows = world.caller.get(f"{path}/rows").json()["results"]
    assert [(row["customer"], row["status"], row["error"]) for row in rows] == [
        ("C-1002", "done", ""),
        ("nobody", "failed", "customer_unknown"),
        ("C-1001", "done", ""),
    ]
    stored = AccountScore.objects.get(account=rows[2]["account"])
    assert rows[2]["score"]["score"] == stored.score and rows[2]["score"]["pd"] == str(stored.pd)
    assert [r["customer"] for r in world.caller.get(f"{path}/rows", status="failed").json()["results"]] == [
        "nobody"
    ]
    assert AuditEntry.objects.get(act="score.rescored").actor == world.cast.integration

    later = world.caller.post("scoring-jobs", {"customers": ["C-1002", "C-1003"]}).json()
    north, company = world.cast.portfolio, world.cast.company
    given = Access.objects.filter(user=world.cast.integration)
    given.update(portfolio=north)  # C-1003 is in the south
    run_queued("bulk")
    assert AccountScore.objects.filter(account__customer__code="C-1002").exists()
    assert not AccountScore.objects.filter(account__customer__code="C-1003").exists()
    after = f"scoring-jobs/{later['id']}"
    assert [row["customer"] for row in world.caller.get(f"{after}/rows").json()["results"]] == ["C-1002"]
    given.update(portfolio=company.portfolios.get(code="south"))
    rows = world.caller.get(f"{after}/rows").json()["results"]
    assert [(row["customer"], row["error"], row["score"]) for row in rows] == [
        ("C-1003", "customer_unknown", None)
    ]
    assert [row["customer"] for row in world.caller.get(f"{path}/rows").json()["results"]] == ["nobody"]
    given.update(portfolio=None)
    later = world.caller.get(after).json()

    assert world.caller.get("scoring-jobs").json()["results"] == [later, done]
    other = Caller(key_for(world.cast.stranger)[1])
    assert other.get("scoring-jobs").json()["results"] == []
    for address in (path, f"{path}/rows"):
        problem(other.get(address), 404, "not_found")
    problem(other.post(f"{path}/resume", {}), 404, "not_found")
    for wrong in ({"customers": [1]}, {"customers": []}, {"all": 1}):
        problem(world.caller.post("scoring-jobs", wrong), 400, "invalid")
    for wrong in ({}, {"all": True, "customers": ["C-1001"]}):
        problem(world.caller.post("scoring-jobs", wrong), 422, "contradiction")


def test_the_whole_book_in_chunks_some_of_which_fail_and_are_taken_up_again(world, run_queued, monkeypatch):
    monkeypatch.setattr(bulk, "CHUNK", 2)
    narrowed = Caller(key_for(world.cast.integration, company=world.cast.company)[1])
    job = narrowed.post("scoring-jobs", {"all": True}).json()
    assert job["total"] == 4 == job["rows"]["waiting"]  # not the other company's
    path = f"scoring-jobs/{job['id']}"
    first, second = Job.objects.filter(kind=bulk.KIND).order_by("pk")
    assert run_once(first.kind, first.key, first.business_date, bulk.score_rows).result == {"rows": 2}
    assert narrowed.get(path).json()["state"] == "running"
    with patch.object(bulk, "rescore", side_effect=RuntimeError("no room")):
        for _attempt in range(3):
            with pytest.raises(RuntimeError):
                run_once(second.kind, second.key, second.business_date, bulk.score_rows)
    stopped = narrowed.get(path).json()
    assert (stopped["state"], stopped["rows"]) == ("stopped", {"waiting": 2, "done": 2, "failed": 0})
    resumed = narrowed.post(f"{path}/resume", {})
    assert (resumed.status_code, resumed.json()["state"]) == (202, "running")
    run_queued("bulk")
    assert narrowed.get(path).json()["rows"] == {"waiting": 0, "done": 4, "failed": 0}
    assert AuditEntry.objects.filter(act="score.rescored").count() == 2
