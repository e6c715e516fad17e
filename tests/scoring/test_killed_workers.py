"""Worker clusters killed at random points: no ledger change lost, no table different from an undisturbed run."""

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
from django.db.models import Count
from django.utils import timezone
from django_q.models import OrmQ
from django_q.tasks import async_task

from creditdesk.core.jobs import plan_jobs
from creditdesk.core.models import Job
from scoring import tasks
from scoring.listeners import TASK
from scoring.models import AccountScore, DirtyAccount, ScoreHistory
from scoring.peers import store_peer_figures
from scoring.stored import points_of
from tests.factories import invoice, make_account, make_company, pay
from tests.scoring.books_evidence import add_evidence

ROOT = Path(__file__).resolve().parents[2]
TODAY = date(2026, 3, 16)
KILLS = 3
OF_EACH_FAMILY = (
    "overdue_share",
    "bank_history_days",
    "altman_z",
    "insolvency_over",
    "supplier_days",
    "group_score",
    "revenue_share",
)
PATIENCE = 60.0


class Cluster:
    """`manage.py qcluster` in a process group of its own, on the test database."""

    def __init__(self, started: Path) -> None:
        environment = {k: v for k, v in os.environ.items() if k not in {"DATABASE_URL", "Q_CLUSTER_NAME"}}
        name = str(connection.settings_dict["NAME"])
        if connection.vendor == "sqlite":
            environment["SQLITE_FILE"] = name
        else:
            url, _, query = os.environ["DATABASE_URL"].partition("?")
            environment["DATABASE_URL"] = f"{url.rpartition('/')[0]}/{name}?{query}"
        environment |= {
            "DJANGO_SETTINGS_MODULE": "tests.scoring.cluster_settings",
            "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'collections'}",
            "CREDITDESK_BUSINESS_DATE": TODAY.isoformat(),
            "STARTED_FILE": str(started),
        }
        started.unlink(missing_ok=True)
        self.started = started
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "qcluster"],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def wait_until_scoring(self) -> None:
        wait_for(self.started.exists, "the cluster never began to score")

    def kill(self) -> None:
        """SIGKILL to every process of the cluster at once; then the queue's `retry` time passes."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        OrmQ.objects.update(lock=timezone.now() - timedelta(days=1))


def wait_for(condition, complaint: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, complaint
        time.sleep(0.05)


def contents(model, ignored=("id", "stamp", "pass_id", "moved", "recorded_at", "entry_id")) -> list[str]:
    return sorted(str({k: v for k, v in r.items() if k not in ignored}) for r in model.objects.values())


def plan(accounts) -> None:
    """The night's jobs, three accounts each; those that were given up start again, as an operator would ask."""
    keys = [
        f"{some[0].pk}-{some[-1].pk}" for some in (accounts[n : n + 3] for n in range(0, len(accounts), 3))
    ]
    plan_jobs(tasks.NIGHTLY, keys, TODAY, "scoring.tasks.score_range", retry_failed=True)


def all_done() -> bool:
    return not (DirtyAccount.objects.exists() or Job.objects.exclude(status="done").exists())


@pytest.mark.django_db(transaction=True)
def test_killed_at_random_points_nothing_is_lost_and_nothing_differs(settings, tmp_path):
    settings.BUSINESS_DATE = TODAY
    rng = random.Random(7)
    company = make_company(complete_through=TODAY)
    accounts = [make_account(company) for _n in range(15)]
    rows = [
        invoice(account, "100.00", TODAY - timedelta(days=60 + 20 * n))
        for account in accounts
        for n in range(2)
    ]
    add_evidence(company, accounts[:8], seed=7)
    # Scores of other members of a group and figures of the sector are read as kept before the night.
    tasks.rescore(TODAY - timedelta(days=30))
    store_peer_figures(TODAY - timedelta(days=9))
    plan(accounts)
    cluster, interrupted = Cluster(tmp_path / "started"), 0
    try:
        for _kill in range(KILLS):
            cluster.wait_until_scoring()
            for row in rng.sample(rows, 3):
                row.refresh_from_db()
                if row.open_amount.minor > 1:
                    pay(row, TODAY - timedelta(days=rng.randrange(20)), str(row.open_amount.amount / 2))
            time.sleep(rng.random() * 0.4)
            cluster.kill()
            interrupted += not all_done()
            async_task(TASK)  # the minute's sweep
            plan(accounts)
            cluster = Cluster(tmp_path / "started")
        wait_for(all_done, "the cluster did not finish")
    finally:
        cluster.kill()

    assert interrupted, "no kill came while there was work"
    disturbed = contents(AccountScore)
    last_kept = {h.account_id: (h.score, points_of(h)) for h in ScoreHistory.objects.order_by("pk")}
    kept_twice = [
        (a.account_id, points_of(a))
        for a, b in zip(
            *[list(ScoreHistory.objects.order_by("account_id", "pk"))[n:] for n in (0, 1)], strict=False
        )
        if a.account_id == b.account_id and points_of(a) == points_of(b)
    ]
    # The undisturbed run: everything scored at once on the ledger as it ended.
    AccountScore.objects.all().delete()
    tasks.rescore(TODAY)
    assert disturbed == contents(AccountScore)
    assert not kept_twice
    told = AccountScore.objects.aggregate(**{name: Count(name) for name in OF_EACH_FAMILY})
    assert all(told.values()), told
    assert set(last_kept) == {a.pk for a in accounts}
    for row in AccountScore.objects.all():
        assert last_kept[row.account_id][0] == row.score
