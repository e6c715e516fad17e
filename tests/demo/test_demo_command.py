"""The whole command with real processes: it serves, and stops everything when told to."""

import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from contextlib import closing
from pathlib import Path

import pytest
from django.db import connection

from creditdesk.demo.serving import CannotServe, free_port
from tests.plugins import template

ROOT = Path(__file__).resolve().parents[2]
LINUX = sys.platform.startswith("linux")


def processes_of(marker):
    """Command lines of living processes with this marker in their environment (Linux)."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and marker in (entry / "environ").read_bytes():
                found.append((entry / "cmdline").read_bytes())
        except OSError:
            continue
    return [line for line in found if line]


def test_a_busy_port_gives_the_next_free_one():
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        taken = busy.getsockname()[1]
        assert free_port(taken) > taken


def test_no_free_port_is_said(monkeypatch):
    monkeypatch.setattr("creditdesk.demo.serving.TRIED_PORTS", 1)
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        with pytest.raises(CannotServe, match="--port"):
            free_port(busy.getsockname()[1])


@pytest.fixture
def environment(tmp_path):
    environment = {key: value for key, value in os.environ.items() if key != "DATABASE_URL"}
    return environment | {
        "SQLITE_FILE": str(tmp_path / "demo.sqlite3"),
        "CREDITDESK_TEST_MARK": tmp_path.name,
        "PYTHONUNBUFFERED": "1",
    }


def command(*arguments):
    return [sys.executable, str(ROOT / "manage.py"), "demo", "--as-of", "2026-11-20", *arguments]


def serve_and_stop(environment, log):
    """A demo served until ctrl-C; returns what it printed. No process of it is left."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        wanted = probe.getsockname()[1]
    marker = f"CREDITDESK_TEST_MARK={environment['CREDITDESK_TEST_MARK']}".encode()
    with log.open("wb") as out:
        demo = subprocess.Popen(
            command("--customers", "30", "--port", str(wanted)),
            cwd=ROOT,
            env=environment,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + 240
        while "Open http://" not in log.read_text():
            assert demo.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)
        url = log.read_text().split("Open ")[1].split()[0]
        with urllib.request.urlopen(url + "healthz", timeout=5) as answer:
            assert answer.status == 200
        # The workers beside it: main process and cluster.
        while LINUX and not any(b"qcluster" in line for line in processes_of(marker)):
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)
        asked = time.monotonic()
        demo.send_signal(signal.SIGINT)
        assert demo.wait(20) == 0, log.read_text()
        assert time.monotonic() - asked < 15
        assert not LINUX or processes_of(marker) == []
    finally:
        if demo.poll() is None:
            demo.kill()
            demo.wait()
    return log.read_text()


def test_demo_serves_until_ctrl_c_then_reset_makes_it_anew_and_again_is_safe(environment, tmp_path):
    # One test, because each run is a process that takes seconds; what it refuses is in test_loading.
    if connection.vendor != "sqlite":
        pytest.skip("once is enough: the command makes a SQLite file of its own")

    def run(*arguments):
        return subprocess.run(
            command("--no-serve", *arguments), cwd=ROOT, env=environment, capture_output=True, text=True
        )

    # Seconds of migrating less: `--reset` below starts from nothing.
    if migrated := template.finished():
        shutil.copyfile(
            template.database_name(connection.settings_dict, migrated), environment["SQLITE_FILE"]
        )
    served = serve_and_stop(environment, tmp_path / "out.txt")
    for said in ("Business date 2026-11-20", "proposals waiting", "Worklist of", "password: demo", "stopped"):
        assert said in served
    assert "customers                    30" in served

    anew = run("--customers", "31", "--reset")
    again = run()
    assert anew.returncode == again.returncode == 0, anew.stderr + again.stderr
    assert "customers                    31" in anew.stdout
    facts = [text.split("Business date")[1] for text in (anew.stdout, again.stdout)]
    assert facts[0] == facts[1]

    # The approver finds the next limit policy waiting, simulated on the book.
    with closing(sqlite3.connect(environment["SQLITE_FILE"])) as made:
        found = made.execute(
            "SELECT p.version, p.status, COUNT(r.id) FROM scoring_limitpolicy p "
            "LEFT JOIN scoring_policyreport r ON r.policy_id = p.id GROUP BY p.id ORDER BY p.version"
        ).fetchall()
    assert found == [(1, "retired", 0), (2, "active", 1), (3, "proposed", 1)]
