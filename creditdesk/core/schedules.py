"""The time table of background work. Each app registers its entries in `AppConfig.ready`.

`ensure_schedules` turns them into django-q2 rows when the workers start. When something runs (and whether)
is the operator's from then on: later starts never change the timing of a row, only what it calls.
"""

from dataclasses import dataclass

from croniter import croniter
from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.utils.module_loading import import_string
from django_q.models import Schedule


@dataclass(frozen=True)
class Entry:
    name: str
    func: str
    cron: str
    cluster: str | None
    due_kwarg: str | None


_entries: dict[str, Entry] = {}


def register(
    name: str, func: str, cron: str, cluster: str | None = None, *, due_kwarg: str | None = None
) -> None:
    """Have `func` (dotted name) run by `cron`, in the installation's time zone.

    With `due_kwarg` the function receives the moment it was due (ISO text) under that name: a run that was
    delayed past midnight then still knows its business date.
    """
    entry = Entry(name, func, cron, cluster, due_kwarg)
    if _entries.setdefault(name, entry) != entry:
        raise ValueError(f"Two schedules are named {name!r}: {_entries[name].func} and {func}.")


def registered() -> list[Entry]:
    return list(_entries.values())


def ensure_schedules() -> int:
    """Create the rows that are missing, point existing ones at the right function; returns how many changed.

    Idempotent, also with several hosts starting at once. ValueError names an entry whose cron expression or
    function does not exist.
    """
    for entry in _entries.values():
        if not croniter.is_valid(entry.cron):
            raise ValueError(f"Schedule {entry.name!r}: {entry.cron!r} is not a cron expression.")
        try:
            import_string(entry.func)
        except ImportError as error:
            raise ValueError(f"Schedule {entry.name!r}: {error}") from error
    with transaction.atomic():
        # django-q2's table has no unique name: one row everybody locks keeps two hosts from adding twins.
        ContentType.objects.select_for_update().get(pk=ContentType.objects.get_for_model(Schedule).pk)
        rows = {row.name: row for row in Schedule.objects.filter(name__in=_entries)}
        return sum(_ensure(entry, rows.get(entry.name)) for entry in _entries.values())


def _ensure(entry: Entry, row: Schedule | None) -> bool:
    target = {"func": entry.func, "cluster": entry.cluster, "intended_date_kwarg": entry.due_kwarg}
    if row is None:
        # Saving a cron row computes its next run.
        Schedule.objects.create(
            name=entry.name, schedule_type=Schedule.CRON, cron=entry.cron, repeats=-1, **target
        )
        return True
    if all(getattr(row, field) == value for field, value in target.items()):
        return False
    Schedule.objects.filter(pk=row.pk).update(**target)
    return True
