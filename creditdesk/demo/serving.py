"""Serves the site with its background workers beside it, and stops both together."""

from __future__ import annotations

import importlib.util
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from django.conf import settings

from creditdesk.core.lifeline import Lifeline

HOST = "127.0.0.1"
TRIED_PORTS = 20
# run_workers gives its own clusters five seconds before it kills them.
GRACE_SECONDS = 9.0
READY_SECONDS = 30.0
# Ctrl-C, a service manager, and a terminal that is closed.
STOPS = [signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if os.name == "posix" else [])]


class CannotServe(RuntimeError):
    """The site could not be started; the text says why."""


def free_port(wanted: int) -> int:
    """`wanted`, or the next port that nobody listens on. Raises CannotServe."""
    for port in range(wanted, min(wanted + TRIED_PORTS, 65536)):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            if os.name == "posix":
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return port
    raise CannotServe(
        f"Ports {wanted} to {wanted + TRIED_PORTS - 1} are all in use: name a free one with --port."
    )


def web_command(port: int) -> list[str]:
    """gunicorn with threads; where it cannot run (it needs fcntl), Django's own server."""
    if importlib.util.find_spec("fcntl") is None:
        manage = str(settings.BASE_DIR / "manage.py")
        return [sys.executable, manage, "runserver", "--noreload", f"{HOST}:{port}"]
    return [
        *(sys.executable, "-m", "gunicorn", "creditdesk.wsgi:application", "--bind", f"{HOST}:{port}"),
        *("--worker-class", "gthread", "--workers", "2", "--threads", "4", "--graceful-timeout", "3"),
        *("--log-level", "warning"),
    ]


@dataclass
class Site:
    """The web server and the workers as child processes, each in a session of its own.

    Ctrl-C in a terminal so reaches only us, and we stop them in order; should we be killed outright, the
    kernel (Linux) or their lifeline ends them too.
    """

    port: int
    environment: Mapping[str, str]
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    lifelines: list[Lifeline] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)

    def run(self, say: Callable[[str], object]) -> int:
        """Serve until one of STOPS; returns the exit code. Raises CannotServe when a part does not start."""
        before = {number: signal.signal(number, lambda *_: self.stopping.set()) for number in STOPS}
        try:
            self._start()
            if self._wait_until_ready():
                say(f"\nOpen http://{HOST}:{self.port}/   (ctrl-C stops everything)")
            return self._watch(say)
        finally:
            self._stop(say)
            for number, handler in before.items():
                signal.signal(number, handler)

    def _start(self) -> None:
        manage = str(settings.BASE_DIR / "manage.py")
        for name, command in (
            ("web server", web_command(self.port)),
            ("workers", [sys.executable, manage, "run_workers", "--sole-host"]),
        ):
            self.processes[name] = subprocess.Popen(  # noqa: S603 (no word of it comes from outside)
                command,
                cwd=settings.BASE_DIR,
                # Links in mails lead to where the site answers; mails are printed unless a mail server is named.
                env={"SITE_URL": f"http://{HOST}:{self.port}", **os.environ, **self.environment},
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                preexec_fn=_follow_parent if sys.platform == "linux" else None,
            )
            self.lifelines.append(Lifeline(self.processes[name].pid, GRACE_SECONDS, ask=True))

    def _wait_until_ready(self) -> bool:
        """Whether the site answered (False: asked to stop meanwhile)."""
        deadline = time.monotonic() + READY_SECONDS
        while not self.stopping.is_set():
            self._check_alive()
            try:
                with urllib.request.urlopen(f"http://{HOST}:{self.port}/healthz", timeout=2):
                    return True
            except (urllib.error.URLError, OSError) as error:
                if time.monotonic() > deadline:
                    raise CannotServe(f"The site does not answer on port {self.port}: {error}.") from error
            self.stopping.wait(0.2)
        return False

    def _check_alive(self) -> None:
        for name, process in self.processes.items():
            if process.poll() is not None:
                raise CannotServe(f"The {name} ended with code {process.returncode}: its last lines say why.")

    def _watch(self, say: Callable[[str], object]) -> int:
        while not self.stopping.wait(0.5):
            self._check_alive()
        say("\nstopping")
        return 0

    def _stop(self, say: Callable[[str], object]) -> None:
        for process in self.processes.values():
            if process.poll() is None:
                process.terminate()
        deadline = time.monotonic() + GRACE_SECONDS
        for name, process in self.processes.items():
            try:
                process.wait(max(deadline - time.monotonic(), 0.1))
            except subprocess.TimeoutExpired:
                say(f"the {name} did not stop in time: killing it")
            _kill_session(process)
        for lifeline in self.lifelines:
            lifeline.cut()
        say("stopped")


def _kill_session(process: subprocess.Popen[bytes]) -> None:
    """What is left of the child's process group, if anything."""
    try:
        if os.name == "posix":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    except (ProcessLookupError, PermissionError):
        pass
    process.wait()


def _follow_parent() -> None:
    """Between fork and exec (Linux): should the demo itself be killed, the kernel ends this child too."""
    import ctypes

    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGTERM)
