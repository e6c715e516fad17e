"""What the API keeps only for a while."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from creditdesk.api.models import ApiMinute, ApiRequest, IdempotentAnswer

REQUESTS_KEPT = timedelta(days=90)
ANSWERS_KEPT = timedelta(days=30)
MINUTES_KEPT = timedelta(hours=1)


def sweep() -> dict[str, int]:
    """Delete old log rows, answers and counts; how many of each. Running it again deletes nothing more."""
    now = timezone.now()
    minute = int((now - MINUTES_KEPT).timestamp() // 60)
    return {
        "requests": ApiRequest.objects.filter(at__lt=now - REQUESTS_KEPT).delete()[0],
        "answers": IdempotentAnswer.objects.filter(at__lt=now - ANSWERS_KEPT).delete()[0],
        "minutes": ApiMinute.objects.filter(minute__lt=minute).delete()[0],
    }
