"""pytest --database=sqlite|postgres|both: chooses the database before Django reads its settings.

postgres starts a private server for the run, unless DATABASE_URL already names one. Without the option
the environment decides, as it does for the application. --workers=N runs the tests in N copies of this process
(tests/plugins/workers.py), which --database=both needs: some of them on each database.
"""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator

import pytest

from tests.plugins import template
from tests.plugins.postgres_server import PostgresServer
from tests.plugins.workers import WAITING, Copies

SERVER = pytest.StashKey[PostgresServer]()
# The databases of the run, each with the environment that chooses it; None: not set.
ENVIRONMENTS = pytest.StashKey[dict[str, dict[str, str | None]]]()
# A folder for the compiled modules of processes that tests start.
COMPILED = pytest.StashKey[str]()
DATABASE_FIXTURES = {"db", "transactional_db", "live_server", "module_database"}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--database",
        choices=("sqlite", "postgres", "both"),
        help="run on SQLite, on PostgreSQL (a private server, unless DATABASE_URL names one), or on both "
        "(with --workers; tests that never reach a database run once)",
    )
    parser.addoption(
        "--only-database",
        action="store_true",
        help="leave out the tests that never reach the database, or say the same on every one",
    )
    parser.addoption(
        "--workers", type=int, default=0, help="run the tests in this many copies of the process"
    )


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Iterator[None]:
    # A wrapper runs before every plain implementation, pytest-django's among them, which loads the settings.
    # Workers share two cores: threads of numpy's own would only wait for each other.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    if "PYTEST_XDIST_WORKER" not in os.environ:  # workers inherit the environment set here
        try:
            _prepare(early_config)
            return (yield)
        except BaseException:
            _stop(early_config)
            raise
    return (yield)


def _prepare(config: pytest.Config) -> None:
    options = config.known_args_namespace
    if options.database == "both" and not options.workers:
        raise pytest.UsageError("--database=both needs --workers=2 or more")
    url = os.environ.get("DATABASE_URL", "")
    if options.database in ("postgres", "both") and not url.startswith("postgres"):
        config.stash[SERVER] = server = PostgresServer().start()
        url = server.url
    urls = {"sqlite": "", "postgres": url}
    chosen = {options.database: urls[options.database]} if options.database in urls else urls
    if options.database is None:
        chosen = {"postgres" if url.startswith("postgres") else "sqlite": url}
    os.environ["DATABASE_URL"] = next(iter(chosen.values()))
    # The developer's own file and settings stay out of the tests.
    os.environ["SQLITE_FILE"] = os.path.join(tempfile.gettempdir(), "creditdesk-tests-never-written.sqlite3")
    os.environ.pop("CREDITDESK_ENV", None)
    config.stash[ENVIRONMENTS] = environments = {}
    copied = (options.workers or getattr(options, "numprocesses", None)) and not options.collectonly
    for name, value in chosen.items():
        environments[name] = {"DATABASE_URL": value or None}
        if copied:
            environments[name][template.FOLDER] = template.start(value)
    if not os.environ["DATABASE_URL"]:
        del os.environ["DATABASE_URL"]
    if copied:
        os.environ[template.FOLDER] = next(iter(environments.values()))[template.FOLDER] or ""
        if sys.dont_write_bytecode:
            # Where nothing may be kept beside the sources, each process that a test starts would compile them all.
            config.stash[COMPILED] = tempfile.mkdtemp(prefix="creditdesk-compiled-")
            os.environ["PYTHONPYCACHEPREFIX"] = config.stash[COMPILED]
            os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def _stop(config: pytest.Config) -> None:
    for environment in config.stash.get(ENVIRONMENTS, {}).values():
        template.stop(environment.get(template.FOLDER) or "")
    os.environ.pop(template.FOLDER, None)
    if compiled := config.stash.get(COMPILED, None):
        shutil.rmtree(compiled, ignore_errors=True)
        os.environ.pop("PYTHONPYCACHEPREFIX", None)
    server = config.stash.get(SERVER, None)
    if server:
        del config.stash[SERVER]
        os.environ.pop("DATABASE_URL", None)
        server.stop()


def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """In copies where wanted; else None, and pytest's own loop runs them here."""
    config = session.config
    count = config.getoption("workers")
    if not count or config.option.collectonly or session.testsfailed:
        return None
    environments = config.stash[ENVIRONMENTS]
    everything = list(range(len(session.items)))
    reaching = [number for number in everything if _reaches_database(session.items[number])]
    # Both: what never reaches a database runs once.
    wanted = {name: reaching if n else everything for n, name in enumerate(environments)}
    Copies(session, count, environments).run(wanted)
    if session.shouldfail:
        raise session.Failed(session.shouldfail)
    if session.shouldstop:
        raise session.Interrupted(session.shouldstop)
    return True


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    # What mostly waits for other processes goes first: the other workers have the cores meanwhile, and nobody waits
    # for it at the end.
    items.sort(key=lambda item: not item.nodeid.startswith(WAITING))
    if config.getoption("only_database"):
        reaching = [item for item in items if _reaches_database(item)]
        config.hook.pytest_deselected(items=[item for item in items if item not in set(reaching)])
        items[:] = reaching


def _reaches_database(item: pytest.Item) -> bool:
    """pytest-django opens the database only to these; anything else that tries fails.

    Marked `any_database`: says the same on every one, because another test runs the same statements on both.
    """
    from django.test import TransactionTestCase

    test_class = getattr(item, "cls", None)
    return item.get_closest_marker("any_database") is None and (
        item.get_closest_marker("django_db") is not None
        or not DATABASE_FIXTURES.isdisjoint(getattr(item, "fixturenames", ()))
        or (test_class is not None and issubclass(test_class, TransactionTestCase))
    )


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        _stop(config)


def pytest_report_header(config: pytest.Config) -> str:
    from django.db import connection

    if config.getoption("database") == "both":
        return f"databases: SQLite and PostgreSQL, {config.getoption('workers')} workers"
    return f"database: {connection.display_name}"
