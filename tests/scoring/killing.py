"""Real processes that kill themselves at a chosen point of an act, and what they leave in the database."""

from __future__ import annotations

import gc
import os
import signal
import traceback
from collections.abc import Callable, Iterable
from typing import Any

from django.db import connection, connections, models

WRITES = ("INSERT", "UPDATE", "DELETE")
MOST = 400


class _Suicide:
    """SIGKILL to this process after the n-th write, commits counted as writes. After a read nothing is different."""

    def __init__(self, after: int) -> None:
        self.left = after
        commit = connection._commit

        def counted_commit() -> Any:
            done = commit()
            self.count()
            return done

        connection._commit = counted_commit  # type: ignore[method-assign]

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        result = execute(sql, params, many, context)
        if any(word in sql.upper() for word in WRITES) and "FOR UPDATE" not in sql.upper():
            self.count()
        return result

    def count(self) -> None:
        self.left -= 1
        if not self.left:
            os.kill(os.getpid(), signal.SIGKILL)


def in_a_process(act: Callable[[], Any], *, killed_after: int = 0) -> bool:
    """Run `act` in a process of its own with a connection of its own; True when it ended by itself.

    An exception in it counts as an end: the process answered. killed_after: SIGKILL after so many writes; 0: never.
    """
    connections.close_all()
    child = os.fork()
    if not child:
        # A collection would touch, and so copy, every page of the parent's memory.
        gc.disable()
        code = 1
        try:
            if killed_after:
                with connection.execute_wrapper(_Suicide(killed_after)):
                    act()
            else:
                act()
            code = 0
        except BaseException:
            if os.environ.get("SHOW_CHILDREN"):
                traceback.print_exc()
        finally:
            # Nothing of pytest's own ends in this process.
            os._exit(code)
    _pid, status = os.waitpid(child, 0)
    assert not os.WIFSIGNALED(status) or os.WTERMSIG(status) == signal.SIGKILL, status
    return not os.WIFSIGNALED(status)


def sizes(tables: Iterable[type[models.Model]]) -> tuple[int, ...]:
    """How many rows each table holds; one statement."""
    parts = ", ".join(f'(SELECT COUNT(*) FROM "{model._meta.db_table}")' for model in tables)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {parts}")
        return tuple(cursor.fetchone())


def kill_everywhere(act: Callable[[], Any], state: Callable[[], Any]) -> tuple[Any, int]:
    """Kill `act` after its 1st, 2nd, 3rd ... write until it takes effect; then run it once more, unharmed.

    Returns the state after that and how often it was killed with nothing left of it. Every kill leaves the state as it
    was, but the last, which comes after the commit: running again then changes nothing.
    """
    before = state()
    for n in range(1, MOST):
        ended = in_a_process(act, killed_after=n)
        now = state()
        if now != before:
            in_a_process(act)
            assert state() == now, "running it again did something more"
            return now, n - 1
        assert not ended, "it ended without any effect"
    raise AssertionError(f"still no effect after {MOST} kills")
