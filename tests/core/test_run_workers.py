"""`manage.py run_workers` with real processes, killed the way kernels and operators kill them.

Each start takes seconds of work. What needs the queue after a kill is tried on every database; that signals reach all
processes is between them and the kernel.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django_q.tasks import async_task

from creditdesk.core.lifeline import Lifeline
from creditdesk.core.models import Heartbeat
from creditdesk.core.watchdog import Limits, WatchedCluster, stop_all

ROOT = Path(__file__).resolve().parents[2]
MARK = "tests.core.cluster_tasks.leave_mark"


def wait_for(condition: Callable[[], object], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen within {seconds} s"
        time.sleep(0.1)


def marked(name: str) -> bool:
    return Heartbeat.objects.filter(name=name).exists()


class Runner:
    """A `run_workers` process on the test database, serving the main queue."""

    def __init__(self, log: Path, *options: str, workers: int = 2) -> None:
        environment = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
        name = connection.settings_dict["NAME"]
        if connection.vendor == "sqlite":
            environment["SQLITE_FILE"] = str(name)
        else:
            url, _, query = os.environ["DATABASE_URL"].partition("?")
            environment["DATABASE_URL"] = f"{url.rpartition('/')[0]}/{name}?{query}"
        self.log = log
        command = [sys.executable, "manage.py", "run_workers", "--clusters=main", "--sole-host", *options]
        with log.open("wb") as output:
            self.process = psutil.Popen(
                command,
                cwd=ROOT,
                env=environment | {"Q_WORKERS": str(workers), "TMPDIR": str(log.parent)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        wait_for(
            lambda: Heartbeat.objects.filter(name__startswith="main@").exists(), 90, "the first heartbeat"
        )

    @property
    def cluster(self) -> psutil.Process:
        return self.process.children()[0]

    def idle_workers(self, count: int) -> list[psutil.Process]:
        # The guard starts its workers first, then the process that saves results and the one that reads rows.
        (guard,) = self.cluster.children()
        return sorted(guard.children(), key=lambda process: process.pid)[:count]

    def family(self) -> list[psutil.Process]:
        return [self.process, *self.process.children(recursive=True)]


@pytest.fixture
def run_workers(transactional_db, tmp_path) -> Iterator[Callable[..., Runner]]:
    runners: list[Runner] = []

    def start(*options: str, workers: int = 2) -> Runner:
        runners.append(Runner(tmp_path / "log", *options, workers=workers))
        return runners[-1]

    yield start
    for runner in runners:
        if runner.process.poll() is None:
            family = runner.family()
            for process in family:
                process.kill()
            psutil.wait_procs(family, timeout=10)
        print(runner.log.read_text())


def stop_in_a_long_task(runner: Runner, number: signal.Signals) -> None:
    async_task(MARK, "never", seconds=60)
    time.sleep(1)  # the task is under way, or about to be: either way the stop must not wait for it
    family = runner.family()
    asked = time.monotonic()
    runner.process.send_signal(number)
    _, alive = psutil.wait_procs(family, timeout=10)
    assert not alive
    assert time.monotonic() - asked < 6
    assert runner.process.wait() == 0
    assert not marked("never")


def test_a_long_task_is_a_sign_of_life_and_killed_idle_workers_are_noticed(run_workers):
    runner = run_workers("--stale-after=4", "--probe-every=0.5", workers=1)
    before = runner.cluster
    async_task(MARK, "long", seconds=7)
    wait_for(lambda: marked("long"), 30, "the long task")
    assert runner.cluster == before
    assert "sign of life" not in runner.log.read_text()

    # It waits inside the queue's lock: django-q2 replaces it, and the new one waits for ever.
    (worker,) = runner.idle_workers(1)
    worker.kill()
    async_task(MARK, "after-the-kill")
    wait_for(lambda: marked("after-the-kill"), 60, "the task")
    assert "main gave no sign of life" in runner.log.read_text()
    assert runner.cluster != before and not before.is_running()


def test_a_cluster_that_died_is_started_again_and_stops_within_seconds_even_in_a_long_task(run_workers):
    runner = run_workers("--stale-after=30", "--probe-every=0.5", "--grace=1")
    for process in [runner.cluster, *runner.cluster.children(recursive=True)]:
        process.kill()
    async_task(MARK, "after-the-crash")
    wait_for(lambda: marked("after-the-crash"), 60, "the task")
    stop_in_a_long_task(runner, signal.SIGTERM)


@pytest.mark.any_database
def test_ctrl_c_stops_everything_within_seconds_even_in_a_long_task(run_workers):
    stop_in_a_long_task(run_workers("--grace=1"), signal.SIGINT)


@pytest.mark.any_database
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children that their parent is gone")
def test_the_cluster_follows_a_killed_watchdog_even_in_a_long_task(run_workers):
    runner = run_workers("--grace=1")
    async_task(MARK, "never", seconds=60)
    time.sleep(1)
    children = runner.family()[1:]
    runner.process.kill()
    _, alive = psutil.wait_procs(children, timeout=15)
    assert not alive


def test_clusters_that_do_not_stop_share_one_grace(tmp_path):
    """One after the other they would outlast whoever waits for us, who would kill us and leave them."""
    clusters = [WatchedCluster(name, Limits(grace=0.4)) for name in ("main", "bulk", "more")]
    for cluster in clusters:
        deaf = 'trap "" TERM; touch "$0"; sleep 30'
        cluster.pulse = tmp_path / cluster.name
        cluster.process = subprocess.Popen(["/bin/sh", "-c", deaf, cluster.pulse], start_new_session=True)
        cluster.lifeline = Lifeline(cluster.process.pid, 30)
        wait_for(cluster.pulse.exists, 10, "the start")
    asked = time.monotonic()
    stop_all(clusters)
    assert 0.4 <= time.monotonic() - asked < 0.8
    assert all(cluster.process.returncode == -signal.SIGKILL for cluster in clusters)


@pytest.mark.parametrize(
    ("options", "hint"),
    [({"clusters": "main,night"}, "night"), ({"stale_after": 5, "probe_every": 9}, "--stale-after")],
)
def test_options_that_cannot_work_are_refused(options, hint):
    with pytest.raises(CommandError, match=hint):
        call_command("run_workers", **options)
