"""Workers killed at random points: no ledger change lost, no table different from an undisturbed run."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from datetime import date, timedelta
from pathlib import Path

import pytest
from django.db import connection

from creditdesk.core.jobs import perform
from creditdesk.core.models import Job
from scoring import tasks
from scoring.models import AccountScore, DirtyAccount, ScoreHistory
from tests.factories import invoice, make_account, make_company, pay

ROOT = Path(__file__).resolve().parents[2]
TODAY = date(2026, 3, 16)
KILLS = 4

# What a worker does, in a process of its own: the queued tasks again and again, until killed or nothing is left.
WORKER = """
import django; django.setup()
from creditdesk.core.jobs import perform
from creditdesk.core.models import Job
from scoring import tasks
print("ready", flush=True)
tasks._rescore_some.__globals__["CLAIM"] = 3
while True:
    tasks.rescore_dirty()
    for job in Job.objects.filter(status="waiting"):
        perform(job.pk, "scoring.tasks.score_range")
"""


def start_worker() -> subprocess.Popen[bytes]:
    environment = {k: v for k, v in os.environ.items() if k != "DATABASE_URL"}
    name = str(connection.settings_dict["NAME"])
    if connection.vendor == "sqlite":
        environment["SQLITE_FILE"] = name
    else:
        url, _, query = os.environ["DATABASE_URL"].partition("?")
        environment["DATABASE_URL"] = f"{url.rpartition('/')[0]}/{name}?{query}"
    environment |= {
        "DJANGO_SETTINGS_MODULE": "creditdesk.settings",
        "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'collections'}",
        "CREDITDESK_BUSINESS_DATE": TODAY.isoformat(),
    }
    process = subprocess.Popen(
        [sys.executable, "-c", WORKER], cwd=ROOT, env=environment, stdout=subprocess.PIPE
    )
    assert process.stdout is not None and process.stdout.readline().strip() == b"ready"
    return process


def contents(model, ignored=("id", "stamp", "pass_id", "moved", "recorded_at", "entry_id")) -> list[str]:
    return sorted(str({k: v for k, v in r.items() if k not in ignored}) for r in model.objects.values())


@pytest.mark.django_db(transaction=True)
def test_killed_at_random_points_nothing_is_lost_and_nothing_differs(settings):
    settings.BUSINESS_DATE = TODAY
    rng = random.Random(7)
    company = make_company(complete_through=TODAY)
    accounts = [make_account(company) for _n in range(24)]
    rows = [
        invoice(account, "100.00", TODAY - timedelta(days=60 + 20 * n))
        for account in accounts
        for n in range(3)
    ]
    tasks.plan_nightly()
    worker = start_worker()
    try:
        for _kill in range(KILLS):
            for row in rng.sample(rows, 4):
                row.refresh_from_db()
                if row.open_amount.minor > 1:
                    pay(row, TODAY - timedelta(days=rng.randrange(20)), str(row.open_amount.amount / 2))
            time.sleep(rng.random() * 0.25)
            worker.send_signal(signal.SIGKILL)
            worker.wait()
            Job.objects.filter(status="failed").update(status="waiting", attempts=0)
            worker = start_worker()
        deadline = time.monotonic() + 60
        while DirtyAccount.objects.exists() or Job.objects.filter(status="waiting").exists():
            assert time.monotonic() < deadline, "the workers did not finish"
            time.sleep(0.1)
    finally:
        worker.kill()
        worker.wait()
    Job.objects.filter(status="failed").update(status="waiting", attempts=0)
    for job in Job.objects.filter(status="waiting"):
        perform(job.pk, "scoring.tasks.score_range")

    disturbed = contents(AccountScore)
    last_kept = {h.account_id: (h.score, h.points) for h in ScoreHistory.objects.order_by("pk")}
    kept_twice = [
        (a.account_id, a.points)
        for a, b in zip(
            *[list(ScoreHistory.objects.order_by("account_id", "pk"))[n:] for n in (0, 1)], strict=False
        )
        if a.account_id == b.account_id and a.points == b.points
    ]
    # The undisturbed run: everything scored at once on the ledger as it ended.
    AccountScore.objects.all().delete()
    tasks.rescore(TODAY)
    assert disturbed == contents(AccountScore)
    assert not kept_twice
    assert set(last_kept) == {a.pk for a in accounts}
    for row in AccountScore.objects.all():
        assert last_kept[row.account_id][0] == row.score
