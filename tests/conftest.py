import contextlib
import os
import re
import shutil
import sqlite3

import pytest

from tests import words
from tests.people import cast  # noqa: F401
from tests.plugins import template


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix):
    """On SQLite the test database is a file, in memory where the machine has a folder for that.

    Threads (live server, concurrency tests) then have connections of their own, as in production: Django's
    in-memory database would be one connection shared by all of them. Workers start from the run's migrated database.
    """
    from django.db import connections

    settings = connections["default"].settings_dict
    migrated = template.finished()
    if connections["default"].vendor == "sqlite":
        worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
        name = template.fast_folder() / f"creditdesk-tests-{os.getpid()}-{worker}.sqlite3"
        settings["TEST"]["NAME"] = str(name)
        if migrated:
            shutil.copyfile(template.database_name(settings, migrated), name)
    elif migrated:
        settings["TEST"]["TEMPLATE"] = template.database_name(settings, migrated)


@pytest.fixture(scope="session")
def django_db_setup(
    request, django_test_environment, django_db_blocker, django_db_modify_db_settings, django_db_keepdb
):
    """pytest-django's, but that a file which is already there and migrated is taken as it is."""
    from django.db import connection
    from django.test.utils import setup_databases, teardown_databases

    verbosity = request.config.option.verbose
    with django_db_blocker.unblock():
        taken = connection.vendor == "sqlite" and template.finished() is not None
        made = setup_databases(verbosity, interactive=False, keepdb=django_db_keepdb or taken)
        _keep_what_migrations_provide(connection)
    yield
    if not django_db_keepdb:
        with django_db_blocker.unblock():
            teardown_databases(made, verbosity)


@pytest.fixture(scope="session", autouse=True)
def _flush_past_the_guards():
    """The flush between transactional tests empties append-only tables too, whose triggers refuse it.

    What the migrations provide (groups, permissions, the shipped scorecard) is put back as it was, which takes a tenth
    of working it all out again, as Django's flush does, and leaves every id as it was.
    """
    from django.core.management.commands import flush as flush_command
    from django.db import connection, transaction

    operations_class = type(connection.ops)

    def flush_sqlite(operations, statements):
        with transaction.atomic(), operations.connection.cursor() as cursor:
            cursor.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
            triggers = cursor.fetchall()
            for statement in (*(f'DROP TRIGGER "{name}"' for name, _ in triggers), *statements):
                cursor.execute(statement)
            for table, (columns, rows) in PROVIDED.items():
                places = ", ".join(["%s"] * len(rows[0]))
                cursor.executemany(f'INSERT INTO "{table}" ({columns}) VALUES ({places})', rows)
            for _name, statement in triggers:
                cursor.execute(statement)

    def flush_postgres(operations, statements):
        # Not TRUNCATE: for a handful of rows that gives every table and every index a new file.
        tables = re.findall(r'"(\w+)"', " ".join(statements))
        with transaction.atomic(), operations.connection.cursor() as cursor:
            cursor.execute("SET LOCAL session_replication_role = replica")
            cursor.execute("; ".join(f'DELETE FROM "{table}"' for table in tables))
            for table, (columns, _rows) in PROVIDED.items():
                cursor.execute(f'INSERT INTO "{table}" ({columns}) SELECT {columns} FROM provided."{table}"')

    flush = flush_sqlite if connection.vendor == "sqlite" else flush_postgres
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(operations_class, "execute_sql_flush", flush)
        patch.setattr(flush_command, "emit_post_migrate_signal", lambda *args, **kwargs: None)
        yield


# Of every table that is not empty after the migrations: columns, and rows (on PostgreSQL in a schema of that name).
PROVIDED: dict[str, tuple[str, list[tuple]]] = {}


def _keep_what_migrations_provide(connection):
    tables = sorted(connection.introspection.django_table_names(only_existing=True, include_views=False))
    if connection.vendor == "sqlite":
        # As stored: a connection of Django's own would read dates as dates.
        with contextlib.closing(sqlite3.connect(connection.settings_dict["NAME"])) as plain:
            for table in tables:
                found = plain.execute(f'SELECT * FROM "{table}"')
                if rows := found.fetchall():
                    PROVIDED[table] = (_names(found.description), rows)
        return
    with connection.cursor() as cursor:
        cursor.execute("DROP SCHEMA IF EXISTS provided CASCADE; CREATE SCHEMA provided")
        for table in tables:
            cursor.execute(f'SELECT * FROM "{table}" LIMIT 1')
            if cursor.fetchone():
                PROVIDED[table] = (_names(cursor.description), [])
                cursor.execute(f'CREATE TABLE provided."{table}" AS TABLE "{table}"')


def _names(description):
    return ", ".join(f'"{column[0]}"' for column in description)


@pytest.fixture(scope="session", autouse=True)
def _cheap_passwords():
    """A real password hash takes a quarter of a second, on purpose; no test is about that."""
    from django.test import override_settings

    with override_settings(PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"]):
        yield


@pytest.fixture(scope="session", autouse=True)
def _static_files_are_not_listed():
    """WhiteNoise lists every static file for each test's client anew, which takes as long as a small page.

    The test client asks for none of them; the browser gets them from the live server's own handler.
    """
    from django.test import override_settings

    with override_settings(WHITENOISE_USE_FINDERS=False):
        yield


@pytest.fixture(autouse=True)
def _english():
    """A request leaves its reader's language active in the thread; the next test starts in English again."""
    from django.utils import translation

    with translation.override("en"):
        yield


@pytest.fixture
def refusals_undrawn(monkeypatch):
    """403 and 404 without their page, for tests that go through every page and role: only the status counts there."""
    from django.http import HttpResponse

    from creditdesk import urls

    for status in (403, 404):

        def plain(request, exception=None, status=status):
            return HttpResponse(status=status)

        monkeypatch.setattr(urls, f"handler{status}", plain)


@pytest.fixture(scope="module")
def module_database(django_db_setup, django_db_blocker):
    """A transaction around a module's tests: what a module's fixture stores in it, each test finds, and loses
    nothing of. For worlds that are dear to build. Hand out copies (`copy.deepcopy`) of the objects, and keep tests
    with `transaction=True` out of such a module.
    """
    from django.db import transaction

    with django_db_blocker.unblock():
        atomic = transaction.atomic()
        atomic.__enter__()
    try:
        with django_db_blocker.unblock():
            yield
    finally:
        with django_db_blocker.unblock():
            transaction.set_rollback(True)
            atomic.__exit__(None, None, None)


@pytest.fixture
def run_queued(db):
    """run_queued(): run what was enqueued, in this process and in order, tasks queued meanwhile included.

    Returns the dotted names of the functions that ran. An error in a task is raised, its row stays queued. No task may
    store a sentence of the language it happens to run in.
    """
    from django.utils.module_loading import import_string
    from django_q.models import OrmQ

    def run(cluster: str | None = None) -> list[str]:
        ran: list[str] = []
        while queued := OrmQ.objects.filter(**({"key": cluster} if cluster else {})).order_by("pk").first():
            task = queued.task
            with words.watched():
                import_string(task["func"])(*task["args"], **task["kwargs"])
            queued.delete()
            ran.append(task["func"])
        return ran

    return run
