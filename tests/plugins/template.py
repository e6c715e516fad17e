"""One migrated database per run and kind, which every worker copies.

Migrating takes seconds of work and each worker needs a database of its own. The controller starts a process that
migrates during the collection (`python -m tests.plugins.template FOLDER`); a worker waits for it and copies: the file
on SQLite, `CREATE DATABASE ... TEMPLATE` on PostgreSQL. A run without workers migrates its own.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

FOLDER = "CREDITDESK_TEST_TEMPLATE"
ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 300.0


def fast_folder() -> Path:
    """In memory where the machine has a folder for that."""
    shared_memory = Path("/dev/shm")
    return shared_memory if os.access(shared_memory, os.W_OK) else Path(tempfile.gettempdir())


def start(database_url: str) -> str:
    """In the controller, before there are workers; returns the folder, whose name they find in the environment."""
    folder = tempfile.mkdtemp(prefix="creditdesk-template-", dir=fast_folder())
    subprocess.Popen(
        [sys.executable, "-m", "tests.plugins.template", folder],
        cwd=ROOT,
        env=os.environ
        | {
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "collections")]),
            "DATABASE_URL": database_url,
        },
        stdin=subprocess.DEVNULL,
    )
    return folder


def stop(folder: str) -> None:
    """In the controller, at the end. On PostgreSQL the template goes with the private server, or stays for the next
    run on a named one, which makes it anew."""
    shutil.rmtree(folder, ignore_errors=True)


def finished() -> Path | None:
    """In a worker: the folder, once the template is there; None in a run without workers. Raises RuntimeError."""
    name = os.environ.get(FOLDER, "")
    if not name or "PYTEST_XDIST_WORKER" not in os.environ:
        return None
    folder = Path(name)
    until = time.monotonic() + PATIENCE
    while not (folder / "ready").exists():
        if (folder / "failed").exists():
            raise RuntimeError("The test database could not be migrated:\n" + (folder / "failed").read_text())
        if time.monotonic() > until or not folder.exists():
            raise RuntimeError("The migrated test database did not come.")
        time.sleep(0.05)
    return folder


def database_name(settings: dict, folder: Path) -> str:
    """Of the template: a file on SQLite, a database beside the tests' own on PostgreSQL."""
    if "sqlite" in settings["ENGINE"]:
        return str(folder / "template.sqlite3")
    return f"test_{settings['NAME']}_template"


def make(folder: Path) -> None:
    import django

    django.setup()
    from django.db import connection

    settings = connection.settings_dict
    settings["TEST"]["NAME"] = database_name(settings, folder)
    connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    connection.close()


if __name__ == "__main__":
    where = Path(sys.argv[1])
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "creditdesk.settings")
    try:
        make(where)
        verdict, text = "ready", ""
    except BaseException:
        verdict, text = "failed", traceback.format_exc()
    if where.exists():
        unfinished = where / "verdict"
        unfinished.write_text(text)
        unfinished.rename(where / verdict)
