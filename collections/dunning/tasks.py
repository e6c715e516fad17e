"""What the workers run: sending, and finding reminders whose task was lost."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from dunning import outbox
from dunning.models import Reminder


def send(reminder_id: int) -> str:
    """Send one reminder of the outbox (nothing happens when it is no longer queued)."""
    return outbox.send(reminder_id)


def sweep() -> int:
    """Send what has been queued for ten minutes: its task was lost or gave up. Returns how many left."""
    cutoff = timezone.now() - timedelta(minutes=10)
    waiting = Reminder.objects.filter(state=Reminder.State.QUEUED, written_at__lt=cutoff).order_by("pk")
    return sum(
        outbox.send(pk) == Reminder.State.SENT for pk in list(waiting.values_list("pk", flat=True)[:200])
    )
