"""pytest --database=sqlite|postgres: chooses the database before Django reads its settings.

postgres starts a private server for the run, unless DATABASE_URL already names one. Without the option
the environment decides, as it does for the application.
"""

import os
import tempfile
from collections.abc import Iterator

import pytest

from tests.plugins import template
from tests.plugins.postgres_server import PostgresServer

SERVER = pytest.StashKey[PostgresServer]()
WAITING = ("tests/demo/test_demo_command", "tests/core/test_run_workers", "tests/scoring/test_killed_workers")
DATABASE_FIXTURES = {"db", "transactional_db", "live_server", "module_database"}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--database",
        choices=("sqlite", "postgres"),
        help="run on SQLite, or on PostgreSQL (a private server, unless DATABASE_URL names one)",
    )
    parser.addoption(
        "--only-database",
        action="store_true",
        help="leave out the tests that never reach the database, or say the same on every one",
    )


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Iterator[None]:
    # A wrapper runs before every plain implementation, pytest-django's among them, which loads the settings.
    # Workers share two cores: threads of numpy's own would only wait for each other.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    is_worker = "PYTEST_XDIST_WORKER" in os.environ  # workers inherit the environment set here
    choice = early_config.known_args_namespace.database
    if not is_worker:
        if choice == "sqlite":
            os.environ.pop("DATABASE_URL", None)
        elif choice == "postgres" and not os.environ.get("DATABASE_URL", "").startswith("postgres"):
            server = PostgresServer().start()
            early_config.stash[SERVER] = server
            os.environ["DATABASE_URL"] = server.url
        # The developer's own file and settings stay out of the tests.
        os.environ["SQLITE_FILE"] = os.path.join(
            tempfile.gettempdir(), "creditdesk-tests-never-written.sqlite3"
        )
        os.environ.pop("CREDITDESK_ENV", None)
    try:
        return (yield)
    except BaseException:
        _stop(early_config)
        raise


def _stop(config: pytest.Config) -> None:
    server = config.stash.get(SERVER, None)
    if server:
        del config.stash[SERVER]
        os.environ.pop("DATABASE_URL", None)
        server.stop()


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

    What axe says of a page is said of its HTML, which comes from the same rows on every database.
    """
    from django.test import TransactionTestCase

    if item.nodeid.startswith("tests/journeys/test_accessibility"):
        return False
    test_class = getattr(item, "cls", None)
    return (
        item.get_closest_marker("django_db") is not None
        or not DATABASE_FIXTURES.isdisjoint(getattr(item, "fixturenames", ()))
        or (test_class is not None and issubclass(test_class, TransactionTestCase))
    )


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("numprocesses", None) and not hasattr(config, "workerinput"):
        template.start()


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        template.stop()
    _stop(config)


def pytest_report_header(config: pytest.Config) -> str:
    from django.db import connection

    return f"database: {connection.display_name}"
