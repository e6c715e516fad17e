"""The sign of life a worker gives while it works: it touches a file that its watchdog looks at.

A file, not a row: a worker in a long transaction could not write one. Connected only in processes whose
watchdog named the file (PULSE_FILE in their environment).
"""

import os
import threading
import time
from typing import Any

from django_q.signals import post_execute_in_worker, pre_execute

PULSE_FILE = "CREDITDESK_PULSE_FILE"
INTERVAL = 1.0  # seconds between two signs of life of a busy worker


class Pulse:
    def __init__(self, path: str) -> None:
        self.path = path
        self.busy = threading.Event()
        self.thread_of: int | None = None

    def task_starts(self, **_: Any) -> None:
        if self.thread_of != os.getpid():  # each worker is forked, and threads do not survive that
            self.thread_of = os.getpid()
            self.busy = threading.Event()
            threading.Thread(target=self._beat, args=(self.busy,), daemon=True).start()
        self.touch()
        self.busy.set()

    def task_ends(self, **_: Any) -> None:
        self.busy.clear()
        self.touch()

    def _beat(self, busy: threading.Event) -> None:
        while busy.wait():
            self.touch()
            time.sleep(INTERVAL)

    def touch(self) -> None:
        try:
            os.utime(self.path)
        except FileNotFoundError:
            return  # the watchdog is gone, and its folder with it


def connect() -> None:
    """Give signs of life from now on, if a watchdog asked for them."""
    path = os.environ.get(PULSE_FILE)
    if path:
        pulse = Pulse(path)
        pre_execute.connect(pulse.task_starts, weak=False, dispatch_uid="pulse")
        post_execute_in_worker.connect(pulse.task_ends, weak=False, dispatch_uid="pulse")


def probe() -> None:
    """A task that does nothing: that it ran is the news."""
