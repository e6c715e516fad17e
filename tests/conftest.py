import os
import shutil
from itertools import count

import pytest

from tests import words
from tests.people import cast  # noqa: F401
from tests.plugins import pristine, template

_TESTS = count()


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
    from django.core import management
    from django.db import connection
    from django.test import testcases
    from django.test.utils import setup_databases, teardown_databases

    verbosity = request.config.option.verbose
    with django_db_blocker.unblock():
        taken = connection.vendor == "sqlite" and template.finished() is not None
        made = setup_databases(verbosity, interactive=False, keepdb=django_db_keepdb or taken)
        restore = pristine.remember(connection)

    def call_command(name, *arguments, **options):
        """What Django's test case asks of the database after a test with real commits, and before fixtures."""
        if name == "flush":
            restore()
        else:
            management.call_command(name, *arguments, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(testcases, "call_command", call_command)
        yield
    if not django_db_keepdb:
        with django_db_blocker.unblock():
            teardown_databases(made, verbosity)


@pytest.fixture(scope="session", autouse=True)
def _cheap_passwords():
    """A real password hash takes a quarter of a second, on purpose; no test is about that."""
    from django.test import override_settings

    with override_settings(PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"]):
        yield


@pytest.fixture(scope="session", autouse=True)
def _plans_are_kept():
    """PostgreSQL plans the scoring statement for longer than it takes to score a test's few accounts.

    For one or some accounts it keeps the plan anyway; here for a whole book, too, from the second time on: the first
    time every statement runs as it would outside of tests. Yields the plain rule, for modules that take it back.
    """
    from scoring import engine

    plain, before = engine.is_kept, set()

    def is_kept(scope, sql):
        if plain(scope, sql) or sql in before:
            return True
        before.add(sql)
        return False

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "is_kept", is_kept)
        yield plain


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


@pytest.fixture(autouse=True)
def _badges_kept_by_test(monkeypatch):
    """The menu keeps its counts for seconds: on a busy machine they would be asked again in the middle of a test that
    counts queries, and told to the next test whose user has the same number. Here they stay for one test."""
    from django.core.cache import cache

    from creditdesk import navigation

    test = next(_TESTS)

    class Kept:
        def get(self, key: str):
            return cache.get(f"{key}-{test}")

        def set(self, key: str, value: object, _seconds: int) -> None:
            cache.set(f"{key}-{test}", value, None)

    monkeypatch.setattr(navigation, "kept", Kept())


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
