"""Progress on the console: a line at once for every step, and for long ones at most every two seconds."""

from __future__ import annotations

import io
import time
from collections.abc import Callable

QUIET_SECONDS = 2.0


class Console:
    """`step` prints a line now; calling the console itself prints it only after two quiet seconds."""

    def __init__(self, write: Callable[[str], object]) -> None:
        self.write = write
        self.started = self.last = time.monotonic()

    def step(self, text: str) -> None:
        self.last = time.monotonic()
        self.write(f"[{self.last - self.started:5.1f} s] {text}")

    def __call__(self, text: str) -> None:
        if time.monotonic() - self.last >= QUIET_SECONDS:
            self.step(text)


class Quiet(io.TextIOBase):
    """A stream whose lines count as progress: shown only when nothing else was for two seconds."""

    def __init__(self, console: Console) -> None:
        self.console = console

    def write(self, text: str) -> int:
        # "Applying ... OK" comes in two pieces: the first says what is going on.
        if (line := text.strip()) and line != "OK":
            self.console(line.removesuffix("..."))
        return len(text)
