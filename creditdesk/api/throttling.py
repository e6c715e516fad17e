"""So many requests a minute and key, counted in the database that all processes and hosts share.

Not in Django's cache: a cache of each process would count each process alone, and the database cache takes five
statements and loses counts when two processes write at once. Here one statement counts and answers.
"""

from __future__ import annotations

from typing import Any

from django.db import connection
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from creditdesk.api.models import ApiKey, ApiMinute

_TABLE = ApiMinute._meta.db_table
# A sliding window from two fixed ones: what is left of the last minute counts for the part of it still in sight.
_COUNT = (
    f"INSERT INTO {_TABLE} (key_id, minute, count) VALUES (%s, %s, 1) "
    f"ON CONFLICT (key_id, minute) DO UPDATE SET count = {_TABLE}.count + 1 "
    f"RETURNING count, (SELECT before.count FROM {_TABLE} before WHERE before.key_id = %s AND before.minute = %s)"
)


class KeyThrottle(BaseThrottle):
    """Refused requests count too: a client that does not slow down stays refused."""

    seconds_left = 60.0

    def allow_request(self, request: Request, view: Any) -> bool:
        key = request.auth
        if not isinstance(key, ApiKey):
            return True
        now = timezone.now()
        minute, second = divmod(now.timestamp(), 60)
        with connection.cursor() as cursor:
            cursor.execute(_COUNT, [key.pk, int(minute), key.pk, int(minute) - 1])
            count, before = cursor.fetchone()
        if count == 1:
            # Once a minute is precise enough, and costs the other requests nothing.
            ApiKey.objects.filter(pk=key.pk).update(last_used_at=now)
        self.seconds_left = 60 - second
        return count + (before or 0) * (1 - second / 60) <= key.per_minute

    def wait(self) -> float:
        return max(self.seconds_left, 1.0)
