"""Probes for a load balancer or service manager. They need no login and show no data.

`/healthz`: the process answers. `/readyz`: it can also work: the database answers, no migration waits, and
the background workers gave a sign of life within settings.HEARTBEAT_MAX_AGE; otherwise 503, and why.
"""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from creditdesk.core.models import Heartbeat
from creditdesk.core.watchdog import cluster_names


@require_safe
@never_cache
def healthz(request: HttpRequest) -> HttpResponse:
    return HttpResponse("ok\n", content_type="text/plain")


@require_safe
@never_cache
def readyz(request: HttpRequest) -> JsonResponse:
    checks: dict[str, str] = {}
    for name, check in (
        ("database", check_database),
        ("migrations", check_migrations),
        ("workers", check_workers),
    ):
        try:
            checks[name] = check() or "ok"
        except DatabaseError as error:
            # The driver's text may name hosts and users: it belongs into the log, not on an open page.
            checks[name] = f"database error: {type(error).__name__}"
            break
    ready = all(result == "ok" for result in checks.values())
    return JsonResponse({"ready": ready, "checks": checks}, status=200 if ready else 503)


def check_database() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return ""


def check_migrations() -> str:
    executor = MigrationExecutor(connection)
    waiting = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return f"{len(waiting)} unapplied migrations: run manage.py migrate" if waiting else ""


def check_workers() -> str:
    now = timezone.now()
    latest: dict[str, datetime] = {}
    for name, beat_at in Heartbeat.objects.order_by("beat_at").values_list("name", "beat_at"):
        latest[name.partition("@")[0]] = beat_at
    problems = []
    for cluster in cluster_names():
        if cluster not in latest:
            problems.append(f"cluster {cluster} was never seen working")
        elif (age := now - latest[cluster]) > timedelta(seconds=settings.HEARTBEAT_MAX_AGE):
            problems.append(f"cluster {cluster} was last seen working {int(age.total_seconds())} s ago")
    return "; ".join(problems) and f"{'; '.join(problems)}: is manage.py run_workers running?"
