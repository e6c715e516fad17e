import pytest
from django_q.models import Schedule

from creditdesk.core import schedules

pytestmark = pytest.mark.django_db
PROBE = "creditdesk.core.pulse.probe"


@pytest.fixture(autouse=True)
def _own_registry(monkeypatch):
    monkeypatch.setattr(schedules, "_entries", {})


def test_registered_entries_become_rows_once():
    schedules.register("nightly", PROBE, "30 2 * * *", "bulk", due_kwarg="due")
    assert schedules.ensure_schedules() == 1
    assert schedules.ensure_schedules() == 0
    row = Schedule.objects.get(name="nightly")
    assert (row.func, row.cron, row.cluster, row.intended_date_kwarg) == (PROBE, "30 2 * * *", "bulk", "due")
    assert row.next_run.minute == 30
    assert row.schedule_type == Schedule.CRON and row.repeats == -1


def test_the_code_decides_what_runs_and_the_operator_when():
    schedules.register("nightly", PROBE, "30 2 * * *")
    schedules.ensure_schedules()
    Schedule.objects.update(cron="0 5 * * *", repeats=0, func="an.older.name")
    assert schedules.ensure_schedules() == 1
    row = Schedule.objects.get()
    assert (row.func, row.cron, row.repeats) == (PROBE, "0 5 * * *", 0)


def test_two_entries_cannot_share_a_name_but_one_may_come_twice():
    schedules.register("nightly", PROBE, "30 2 * * *")
    schedules.register("nightly", PROBE, "30 2 * * *")
    with pytest.raises(ValueError, match="nightly"):
        schedules.register("nightly", PROBE, "0 3 * * *")


@pytest.mark.parametrize(
    ("func", "cron", "hint"),
    [(PROBE, "every night", "cron"), ("scoring.nothing.here", "0 3 * * *", "nothing")],
)
def test_a_wrong_entry_is_named_before_anything_is_written(func, cron, hint):
    schedules.register("good", PROBE, "0 1 * * *")
    schedules.register("wrong", func, cron)
    with pytest.raises(ValueError, match=hint) as error:
        schedules.ensure_schedules()
    assert "'wrong'" in str(error.value)
    assert not Schedule.objects.exists()
