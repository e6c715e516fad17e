"""Ends a group of processes with the process that started it, however that one ends: killed, too, and not on Linux alone.

A shell waits on a pipe that only the parent holds open. When the parent is gone, the pipe is closed; what has not
stopped by itself after the grace is killed as a group.
"""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress

# $1: the group, $2: seconds of grace, $3: signal for its first process, 0 for none.
_SCRIPT = 'read -r _; kill -s "$3" "$1" 2>/dev/null; sleep "$2"; kill -s KILL -- "-$1" 2>/dev/null'


class Lifeline:
    """Keep it as long as the group of `pid` is to live; `cut` it when the group is gone, or the parent ends it itself."""

    def __init__(self, pid: int, grace: float, *, ask: bool = False) -> None:
        """ask: the first process gets a SIGTERM before the grace (else the kernel has told it, or nobody)."""
        self._guard: subprocess.Popen[bytes] | None = None
        if os.name == "posix":
            self._guard = subprocess.Popen(  # noqa: S603 (no word of it comes from outside)
                ["/bin/sh", "-c", _SCRIPT, "lifeline", str(pid), f"{grace:g}", "TERM" if ask else "0"],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )

    def cut(self) -> None:
        guard, self._guard = self._guard, None
        if guard is None:
            return
        with suppress(ProcessLookupError):  # it has done its work and ended
            os.killpg(guard.pid, signal.SIGKILL)
        guard.wait()
        if guard.stdin is not None:
            guard.stdin.close()
