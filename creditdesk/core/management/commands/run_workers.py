import signal
import threading
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from creditdesk.core.schedules import ensure_schedules
from creditdesk.core.watchdog import Limits, WatchedCluster, cluster_names, stop_all


class Command(BaseCommand):
    help = (
        "Run the background workers, and replace a cluster that stopped working. Ends on SIGTERM or SIGINT."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        defaults = Limits()
        parser.add_argument(
            "--clusters",
            default=",".join(cluster_names()),
            help="which queues to serve (default: %(default)s)",
        )
        parser.add_argument(
            "--stale-after",
            type=float,
            default=defaults.stale_after,
            help="seconds without a sign of life after which a cluster is replaced (default: %(default)s)",
        )
        parser.add_argument(
            "--probe-every", type=float, default=defaults.probe_every, help="seconds (default: %(default)s)"
        )
        parser.add_argument(
            "--grace",
            type=float,
            default=defaults.grace,
            help="seconds to finish on a stop (default: %(default)s)",
        )
        parser.add_argument(
            "--sole-host",
            action="store_true",
            help="no other host runs workers: tasks of a dead cluster start again at once (always so on SQLite)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        names = [name.strip() for name in options["clusters"].split(",") if name.strip()]
        unknown = sorted(set(names) - set(cluster_names()))
        if unknown or not names:
            raise CommandError(
                f"--clusters: no such cluster {', '.join(unknown)}; choose from {cluster_names()}."
            )
        limits = Limits(options["stale_after"], options["probe_every"], options["grace"])
        if limits.stale_after <= limits.probe_every:
            raise CommandError(
                "--stale-after must be longer than --probe-every: only probes prove an idle cluster."
            )

        stopping = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stopping.set())
        ensure_schedules()
        clusters = [
            WatchedCluster(name, limits, settings.CLUSTER_ENVIRONMENT.get(name, {}), options["sole_host"])
            for name in names
        ]
        started: list[WatchedCluster] = []
        try:
            for cluster in clusters:
                cluster.start()
                started.append(cluster)
            self.stdout.write(f"workers running: {', '.join(names)}")
            self.stdout.flush()
            while not stopping.wait(min(1.0, limits.probe_every)):
                for cluster in clusters:
                    cluster.tick()
        finally:
            stop_all(started)
        self.stdout.write("workers stopped")
