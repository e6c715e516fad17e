"""Tasks for tests with real workers; they run in other processes and leave a row behind."""

import time

from django.utils import timezone

from creditdesk.core.models import Heartbeat


def leave_mark(name: str, seconds: float = 0) -> None:
    time.sleep(seconds)
    Heartbeat.objects.create(name=name, beat_at=timezone.now())
