"""Settings of the worker cluster that the kill test starts: as shipped, but slow enough to be hit in mid-work."""

import os
import time
from pathlib import Path

from django.db.backends.signals import connection_created

from creditdesk.settings import *  # noqa: F403
from creditdesk.settings import Q_CLUSTER as SHIPPED

Q_CLUSTER = {**SHIPPED, "workers": 2, "poll": 0.1, "max_attempts": 50}


def _slowly(execute, sql, params, many, context):
    """Statements that score take a while and leave a sign that scoring has begun."""
    if "scoring_" in sql:
        Path(os.environ["STARTED_FILE"]).touch()
        time.sleep(0.03)
    return execute(sql, params, many, context)


def _slow_down(connection, **_kwargs):
    if _slowly not in connection.execute_wrappers:
        connection.execute_wrappers.append(_slowly)


connection_created.connect(_slow_down, dispatch_uid="cluster_settings")
