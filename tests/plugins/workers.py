"""pytest --workers=N: this process collects, then N copies of it (fork) run the tests, on one database or on both.

Importing Django, the project and every test module takes a worker longer than many of its tests, and more than
half of the objects in its memory come from there. So it is done once. With --database=both each copy chooses its
database before it opens the first connection, and a copy of the other kind takes its place when its tests are done:
both cores stay busy to the end, and there is one report.

Neighbours stay together: a worker takes a whole module, for the sake of its module fixtures, and helps in another
worker's only when no untouched one is left. Of the modules that mostly wait for processes one runs at a time.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys
import traceback
import warnings
from collections import deque
from collections.abc import Iterator, Mapping
from importlib import import_module
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from types import SimpleNamespace

import pytest

WAITING = ("tests/demo/test_demo_command", "tests/core/test_run_workers", "tests/scoring/test_killed_workers")


def module_of(item: pytest.Item) -> str:
    return item.nodeid.partition("::")[0]


class Plan:
    """What is still to run on one database, module by module."""

    def __init__(self, items: list[pytest.Item], wanted: Iterator[int]) -> None:
        self.modules: dict[str, deque[int]] = {}
        for number in wanted:
            self.modules.setdefault(module_of(items[number]), deque()).append(number)
        self.untouched = sorted(self.modules, key=lambda module: not module.startswith(WAITING))

    def __bool__(self) -> bool:
        return any(self.modules.values())

    def take(self, worker: Worker, somebody_waits: bool) -> int | None:
        """The next test of this worker; None when there is none for it."""
        if not self.modules.get(worker.module):
            worker.module = self._module(somebody_waits)
        tests = self.modules.get(worker.module)
        return tests.popleft() if tests else None

    def _module(self, somebody_waits: bool) -> str:
        for module in self.untouched:
            if not (somebody_waits and module.startswith(WAITING)):
                self.untouched.remove(module)
                return module
        if self.untouched:
            return self.untouched.pop(0)
        return max(self.modules, key=lambda module: len(self.modules[module]), default="")


class Worker:
    """A copy of this process. It holds two tests, because a test's end depends on which comes next."""

    def __init__(self, name: str, database: str) -> None:
        self.name, self.database, self.module = name, database, ""
        self.pipe: Connection = None
        self.pid = 0
        self.given: deque[int] = deque()
        self.told_to_end = False
        # What pytest's terminal asks of a report that has a node: its short name, and its headline.
        self.node = SimpleNamespace(
            gateway=SimpleNamespace(id=name), _workerinfocache=f"[{name} on {database}]"
        )

    def give(self, number: int | None) -> None:
        if self.told_to_end:
            return
        if number is None:
            self.told_to_end = True
        else:
            self.given.append(number)
        with contextlib.suppress(OSError):  # it is gone: its end is read from the pipe
            self.pipe.send(number)


class Copies:
    """The run: `environments` names the databases and what chooses each."""

    def __init__(
        self, session: pytest.Session, count: int, environments: dict[str, Mapping[str, str | None]]
    ) -> None:
        self.session, self.config, self.count = session, session.config, count
        self.environments = environments
        self.workers: list[Worker] = []
        self.made = 0
        self.plans: dict[str, Plan] = {}

    def run(self, wanted: dict[str, list[int]]) -> None:
        self.session.testscollected = sum(map(len, wanted.values()))
        self.plans = {name: Plan(self.session.items, iter(wanted[name])) for name in wanted}
        self.config._tmp_path_factory.getbasetemp()
        _share()
        try:
            self._fill()
            while self.workers:
                for pipe in wait([worker.pipe for worker in self.workers]):
                    self._hear(next(worker for worker in self.workers if worker.pipe is pipe))
                if self.session.shouldfail or self.session.shouldstop:
                    self.plans = {}
                    for worker in self.workers:
                        worker.give(None)
        except BaseException:
            for worker in self.workers:
                os.kill(worker.pid, signal.SIGINT)
            raise
        finally:
            for worker in self.workers:
                worker.pipe.close()
                os.waitpid(worker.pid, 0)

    def _fill(self) -> None:
        """As many workers as wanted while there are tests, first of all where fewest are at work."""
        while len(self.workers) < self.count:
            open_plans = [name for name, plan in self.plans.items() if plan]
            if not open_plans:
                return
            at_work = [worker.database for worker in self.workers if not worker.told_to_end]
            worker = Worker(f"w{self.made}", min(open_plans, key=at_work.count))
            self.made += 1
            self._start(worker)
            self.workers.append(worker)
            for _ in range(2):
                self._next(worker)

    def _start(self, worker: Worker) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        worker.pipe, theirs = Pipe()
        worker.pid = os.fork()
        if worker.pid:
            theirs.close()
            return
        try:
            for other in [*self.workers, worker]:
                other.pipe.close()
            _work(self.session, theirs, worker.name, self.environments[worker.database])
        except KeyboardInterrupt:
            os._exit(2)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)

    def _next(self, worker: Worker) -> None:
        plan = self.plans.get(worker.database)
        waits = any(
            module_of(self.session.items[number]).startswith(WAITING)
            for other in self.workers
            if other is not worker
            for number in other.given
        )
        worker.give(plan.take(worker, waits) if plan else None)

    def _hear(self, worker: Worker) -> None:
        try:
            kind, content = worker.pipe.recv()
        except (EOFError, OSError):
            self._gone(worker)
            return
        if kind == "done":
            worker.given.popleft()
            self._next(worker)
        elif kind == "stop":
            self.session.shouldstop = content
        elif kind == "warning":
            message, category, filename, line, *rest = content
            record = warnings.WarningMessage(message, category, filename, line)
            when, nodeid, location = rest
            self.config.hook.pytest_warning_recorded.call_historic(
                kwargs={"warning_message": record, "when": when, "nodeid": nodeid, "location": location}
            )
        else:
            report = self.config.hook.pytest_report_from_serializable(config=self.config, data=content)
            self._tell(worker, report)

    def _tell(self, worker: Worker, report: pytest.TestReport) -> None:
        if len(self.environments) > 1:
            test, parameters, values = report.nodeid.rstrip("]").partition("[")
            report.nodeid = f"{test}[{values}{'-' if parameters else ''}{worker.database}]"
        report.node = worker.node  # type: ignore[attr-defined]
        self.config.hook.pytest_runtest_logreport(report=report)

    def _gone(self, worker: Worker) -> None:
        """It has ended, as told, or in the middle of a test; what it had not begun goes back."""
        self.workers.remove(worker)
        worker.pipe.close()
        _, status = os.waitpid(worker.pid, 0)
        if worker.given:
            item = self.session.items[worker.given.popleft()]
            text = f"worker {worker.name} died in this test (status {os.waitstatus_to_exitcode(status)})"
            self._tell(
                worker,
                pytest.TestReport(item.nodeid, item.location, {item.name: 1}, "failed", text, "call"),
            )
            plan = self.plans.get(worker.database)
            if plan and worker.module in plan.modules:
                plan.modules[worker.module].extendleft(worker.given)
        elif status:
            raise RuntimeError(f"worker {worker.name} failed outside of tests")
        self._fill()


def _share() -> None:
    """What every worker would load for its first page; then the collector of garbage leaves all of it alone.

    It would look at hundreds of thousands of objects that live as long as the run, again and again: with Python's
    own thresholds that is a third of the time of a test that opens pages.
    """
    from django.conf import settings
    from django.utils import translation

    import_module(settings.ROOT_URLCONF)
    for language, _ in settings.LANGUAGES:
        with translation.override(language):
            translation.gettext("")
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


class _Teller:
    """In a worker: everything a reporter would be told goes to the controller."""

    def __init__(self, config: pytest.Config, pipe: Connection) -> None:
        self.config, self.pipe = config, pipe

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        data = self.config.hook.pytest_report_to_serializable(config=self.config, report=report)
        self.pipe.send(("report", data))

    def pytest_warning_recorded(self, warning_message, when, nodeid, location) -> None:
        record = warning_message
        what = (str(record.message), record.category, record.filename, record.lineno)
        self.pipe.send(("warning", (*what, when, nodeid, location)))


def _work(
    session: pytest.Session, pipe: Connection, name: str, environment: Mapping[str, str | None]
) -> None:
    config = session.config
    _choose(name, environment)
    config.workerinput = {"workerid": name}  # pytest-django names the test database after it
    config.pluginmanager.unregister(name="terminalreporter")
    folders = config._tmp_path_factory
    folders._basetemp = folders.getbasetemp() / name
    folders._basetemp.mkdir(mode=0o700)
    capture = config.pluginmanager.getplugin("capturemanager")
    capture.stop_global_capturing()  # its files are the controller's
    capture.start_global_capturing()
    capture.suspend_global_capture()
    config.pluginmanager.register(_Teller(config, pipe), "workers-teller")
    try:
        number = pipe.recv()
        while number is not None:
            following = pipe.recv()
            item = session.items[number]
            after = None if following is None else session.items[following]
            config.hook.pytest_runtest_protocol(item=item, nextitem=after)
            pipe.send(("done", number))
            number = following
    except pytest.exit.Exception as error:
        pipe.send(("stop", str(error)))
    except EOFError:  # the controller is gone
        pass
    finally:
        session._setupstate.teardown_exact(None)


def _choose(name: str, environment: Mapping[str, str | None]) -> None:
    """Before the first connection: the environment as if the process had been started with it."""
    import dj_database_url
    from django.conf import settings
    from django.db import connections

    for key, value in environment.items():
        os.environ.pop(key, None)
        if value is not None:
            os.environ[key] = value
    os.environ["PYTEST_XDIST_WORKER"] = name
    if url := environment.get("DATABASE_URL"):
        assert connections["default"].connection is None, "a connection was open before the tests"
        settings.DATABASE_URL = url
        settings.DATABASES = {"default": dj_database_url.parse(url)}
        del connections["default"]
        connections._settings = None  # both were read from the settings once
        connections.__dict__.pop("settings", None)
