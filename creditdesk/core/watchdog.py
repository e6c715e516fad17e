"""Keeps a django-q2 cluster working: a child process in a group of its own, restarted when it stops working.

Needed because a cluster can look alive and do nothing: when an idle worker is killed (by the kernel, out of
memory), the workers that replace it wait for ever on a lock their predecessor took along. So the watchdog
does not ask whether processes exist. It queues a probe now and then, and looks at the pulse that workers
give when they run anything.
"""

import logging
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from django.conf import settings
from django.db import DatabaseError, close_old_connections, connection
from django.utils import timezone
from django_q.models import OrmQ
from django_q.tasks import async_task

from creditdesk.core.lifeline import Lifeline
from creditdesk.core.models import Heartbeat
from creditdesk.core.pulse import PULSE_FILE

logger = logging.getLogger("creditdesk.workers")

MAX_BACKOFF = 30.0
START_TIMEOUT = 30.0  # a cluster that was just started gets at least so long for its first sign of life


@dataclass(frozen=True)
class Limits:
    """Seconds: no pulse for `stale_after` means restart; `grace` for an orderly stop before SIGKILL."""

    stale_after: float = 60
    probe_every: float = 15
    grace: float = 5


@dataclass
class WatchedCluster:
    """One cluster (queue) on this host. Call `start`, then `tick` about once a second, then `stop`."""

    name: str
    limits: Limits = Limits()
    environment: Mapping[str, str] = field(default_factory=dict)
    sole_host: bool = False

    def start(self) -> None:
        folder = Path(tempfile.gettempdir())
        descriptor, path = tempfile.mkstemp(prefix=f"creditdesk-{self.name}-", suffix=".pulse", dir=folder)
        os.close(descriptor)
        self.pulse = Path(path)
        self.starts = 0
        self.backoff = 1.0
        self.probe_id: int | None = None
        self.next_probe = 0.0
        self._launch()

    def _launch(self) -> None:
        self._release_tasks()
        manage = settings.BASE_DIR / "manage.py"
        # Installed from a wheel there is none; the packages are then importable without its help.
        program = [str(manage)] if manage.exists() else ["-m", "django"]
        self.process = subprocess.Popen(  # noqa: S603 (no word of it comes from outside)
            [sys.executable, *program, "qcluster"],
            env={
                **os.environ,
                **self.environment,
                "Q_CLUSTER_NAME": self.name,
                PULSE_FILE: str(self.pulse),
                "DB_POOL": "0",  # forked workers would share the pool's sockets
            },
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # a group of its own: ctrl-C reaches us alone, and we can kill it whole
            preexec_fn=_follow_parent if sys.platform == "linux" else None,
        )
        # The kernel tells the cluster alone, and a busy worker of it would go on.
        self.lifeline = Lifeline(self.process.pid, self.limits.grace)
        self.starts += 1
        self.launched = self.last_life = time.monotonic()
        self.last_touch = self.pulse.stat().st_mtime_ns
        self.is_proven = False
        logger.info("cluster %s started as process %s", self.name, self.process.pid)

    def _release_tasks(self) -> None:
        """Hand tasks a dead cluster had taken back to the queue at once, instead of after `retry` seconds.

        Only where no other host can be working on them. (Even then nothing would break: every task may run
        twice.)
        """
        if self.sole_host or connection.vendor == "sqlite":
            now = timezone.now()
            OrmQ.objects.filter(key=self.name, lock__gt=now).update(lock=now)

    def tick(self) -> None:
        """Look, and restart the cluster if it exited or gave no sign of life for too long."""
        now = time.monotonic()
        if self.process.poll() is not None:
            if now - self.launched > 60:
                self.backoff = 1.0
            if now - self.launched >= self.backoff:
                logger.error("cluster %s exited (%s): starting it again", self.name, self.process.returncode)
                self.backoff = min(self.backoff * 2, MAX_BACKOFF)
                self._restart()
            return
        try:
            close_old_connections()
            self._notice_life(now)
            self._send_probe(now)
        except DatabaseError as error:
            # No judgement without a database: the workers cannot work, and a new cluster could not either.
            logger.error("cluster %s: cannot look at the queue: %s", self.name, error)
            connection.close()
            self.last_life = now
        patience = self.limits.stale_after
        if not self.is_proven:
            patience = max(patience, START_TIMEOUT)
        if now - self.last_life > patience:
            logger.error(
                "cluster %s gave no sign of life for %.0f s: replacing it", self.name, now - self.last_life
            )
            self._restart()

    def _notice_life(self, now: float) -> None:
        touch = self.pulse.stat().st_mtime_ns
        if touch != self.last_touch:
            self.last_touch = touch
            self.last_life = now
            self.is_proven = True
            beat(self.name)

    def _send_probe(self, now: float) -> None:
        if now < self.next_probe:
            return
        self.next_probe = now + self.limits.probe_every
        if self.probe_id is None or not OrmQ.objects.filter(pk=self.probe_id).exists():
            async_task(
                "creditdesk.core.pulse.probe", task_name=f"probe-{self.name}", cluster=self.name, save=False
            )
            self.probe_id = (
                OrmQ.objects.filter(key=self.name).order_by("-pk").values_list("pk", flat=True).first()
            )

    def _restart(self) -> None:
        self.kill()
        try:
            OrmQ.objects.filter(pk=self.probe_id).delete()
            self.probe_id = None
            self.next_probe = 0.0
            self._launch()
        except DatabaseError as error:
            logger.error("cluster %s: cannot start it again: %s", self.name, error)
            connection.close()
            self.launched = time.monotonic()

    def ask_to_stop(self) -> None:
        """SIGTERM to the main process alone, and once: to the group, or twice, it can hang the cluster."""
        if self.process.poll() is None:
            self.process.terminate()

    def stop(self, deadline: float) -> None:
        """After `ask_to_stop`: wait until the deadline (monotonic), then kill. Tasks cut short start again later."""
        try:
            self.process.wait(max(deadline - time.monotonic(), 0.0))
        except subprocess.TimeoutExpired:
            logger.warning("cluster %s did not stop within %.0f s: killing it", self.name, self.limits.grace)
        self.kill()
        self.pulse.unlink(missing_ok=True)

    def kill(self) -> None:
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            logger.debug("cluster %s left nothing behind", self.name)
        self.process.wait()
        self.lifeline.cut()


def beat(cluster: str) -> None:
    """Record that this host's cluster works; /readyz looks for it."""
    Heartbeat.objects.update_or_create(
        name=f"{cluster}@{socket.gethostname()}", defaults={"beat_at": timezone.now()}
    )


def cluster_names() -> list[str]:
    """Every queue of this installation, the main one first."""
    return [str(settings.Q_CLUSTER["name"]), *settings.ALT_CLUSTERS]


def stop_all(clusters: Iterable[WatchedCluster]) -> None:
    """Stop several clusters side by side: all have the one grace, or whoever stops us would lose patience first."""
    clusters = list(clusters)
    for cluster in clusters:
        cluster.ask_to_stop()
    asked = time.monotonic()
    for cluster in clusters:
        cluster.stop(asked + cluster.limits.grace)


def _follow_parent() -> None:
    """Between fork and exec (Linux): should the watchdog itself be killed, the kernel ends the cluster too."""
    import ctypes

    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGTERM)
