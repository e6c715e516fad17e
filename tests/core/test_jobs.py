"""Background jobs: exactly one effect, attempts counted before they start, planning all or nothing."""

import threading
from datetime import date

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone
from django_q.models import OrmQ

from creditdesk.core.jobs import MAX_ATTEMPTS, STILL_AT_IT, finding_first, plan_jobs, progress, run_once
from creditdesk.core.models import Heartbeat, Job

DAY = date(2026, 3, 2)


def write_effect(job: Job) -> dict:
    """An effect to be seen in the database: one heartbeat per call, named after the job's key."""
    Heartbeat.objects.create(name=f"effect-{job.key}", beat_at=timezone.now())
    return {"key": job.key}


def failing_effect(job: Job) -> None:
    write_effect(job)
    raise ValueError("the bank said no")


def effects() -> list[str]:
    return sorted(Heartbeat.objects.values_list("name", flat=True))


@pytest.mark.django_db
class TestRunOnce:
    def test_effect_and_done_are_written_together_and_once(self):
        first = run_once("score", "1-100", DAY, write_effect)
        again = run_once("score", "1-100", DAY, write_effect)
        assert first.status == again.status == Job.Status.DONE
        assert again.result == {"key": "1-100"} and again.attempts == 1
        assert effects() == ["effect-1-100"]

    def test_another_day_or_kind_is_another_job(self):
        run_once("score", "a", DAY, lambda job: None)
        run_once("score", "a", date(2026, 3, 3), lambda job: None)
        run_once("limits", "a", DAY, lambda job: None)
        assert Job.objects.filter(status=Job.Status.DONE).count() == 3

    def test_a_failed_effect_leaves_nothing_but_its_error(self):
        with pytest.raises(ValueError, match="the bank said no"):
            run_once("score", "a", DAY, failing_effect)
        job = Job.objects.get()
        assert effects() == []
        assert (job.status, job.attempts) == (Job.Status.WAITING, 1)
        assert job.error == "ValueError: the bank said no"
        assert run_once("score", "a", DAY, write_effect).error == ""

    def test_what_takes_long_to_find_out_holds_no_transaction(self):
        """On SQLite a transaction is a lock on every write: nobody could work while a card is measured."""
        depth, seen = len(connection.savepoint_ids), []

        @finding_first
        def measured(job: Job):
            seen.append(len(connection.savepoint_ids) - depth)

            def keep():
                seen.append(len(connection.savepoint_ids) - depth)
                return write_effect(job)

            return keep

        assert run_once("measure", "a", DAY, measured).result == {"key": "a"}
        assert run_once("measure", "a", DAY, measured).attempts == 1
        assert seen == [0, 1] and effects() == ["effect-a"]

        @finding_first
        def failing(job: Job):
            return lambda: failing_effect(job)

        with pytest.raises(ValueError, match="the bank said no"):
            run_once("measure", "b", DAY, failing)
        assert effects() == ["effect-a"] and Job.objects.get(key="b").status == Job.Status.WAITING

    def test_it_gives_up_after_the_last_attempt(self):
        for _ in range(MAX_ATTEMPTS):
            with pytest.raises(ValueError, match="bank"):
                run_once("score", "a", DAY, failing_effect)
        job = run_once("score", "a", DAY, write_effect)
        assert (job.status, job.attempts) == (Job.Status.FAILED, MAX_ATTEMPTS)
        assert effects() == []

    def test_attempts_that_were_killed_count_too(self):
        def killed(job: Job) -> None:
            raise KeyboardInterrupt  # like a kill: not an Exception, so nobody reports it

        for _ in range(MAX_ATTEMPTS):
            with pytest.raises(KeyboardInterrupt):
                run_once("score", "a", DAY, killed)
        # The queue hands a lost task out again minutes later; right now somebody may still be at it.
        assert run_once("score", "a", DAY, write_effect).status == Job.Status.WAITING
        Job.objects.update(claimed_at=timezone.now() - 2 * STILL_AT_IT)
        job = run_once("score", "a", DAY, write_effect)
        assert job.status == Job.Status.FAILED
        assert "never reported back" in job.error

    def test_the_database_refuses_a_second_row_for_the_same_piece(self):
        Job.objects.create(kind="score", key="a", business_date=DAY)
        with pytest.raises(IntegrityError), transaction.atomic():
            Job.objects.create(kind="score", key="a", business_date=DAY)


@pytest.mark.django_db(transaction=True)
def test_it_refuses_to_run_inside_a_transaction():
    with pytest.raises(RuntimeError), transaction.atomic():
        run_once("score", "a", DAY, write_effect)
    assert Job.objects.count() == 0


@pytest.mark.django_db(transaction=True)
def test_started_by_many_at_once_the_effect_happens_once():
    many = 2 * MAX_ATTEMPTS
    gate = threading.Barrier(many)
    errors = []

    def start() -> None:
        gate.wait()
        try:
            run_once("score", "a", DAY, write_effect)
        except Exception as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=start) for _ in range(many)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert errors == []
    assert Job.objects.get().status == Job.Status.DONE
    assert effects() == ["effect-a"]


@pytest.mark.django_db
class TestPlanning:
    EFFECT = "tests.core.test_jobs.write_effect"

    def test_one_task_per_key_and_they_run(self, run_queued):
        assert plan_jobs("score", ["1-100", "101-200"], DAY, self.EFFECT) == 2
        assert run_queued() == ["creditdesk.core.jobs.perform"] * 2
        assert effects() == ["effect-1-100", "effect-101-200"]
        assert progress("score", DAY) == {"waiting": 0, "done": 2, "failed": 0}

    def test_planning_again_queues_only_what_waits(self):
        plan_jobs("score", ["a", "b"], DAY, self.EFFECT)
        run_once("score", "a", DAY, write_effect)
        OrmQ.objects.all().delete()
        assert plan_jobs("score", ["a", "b", "c"], DAY, self.EFFECT) == 2
        assert Job.objects.count() == 3

    def test_given_up_jobs_start_again_only_when_asked(self):
        Job.objects.create(kind="score", key="a", business_date=DAY, status="failed", attempts=3)
        assert plan_jobs("score", ["a"], DAY, self.EFFECT) == 0
        assert plan_jobs("score", ["a"], DAY, self.EFFECT, retry_failed=True) == 1
        assert Job.objects.get().attempts == 0

    def test_rows_and_tasks_fall_together(self):
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            plan_jobs("score", ["a"], DAY, self.EFFECT)
            raise ZeroDivisionError
        assert Job.objects.count() == OrmQ.objects.count() == 0

    def test_a_wrong_name_fails_while_planning(self):
        with pytest.raises(ImportError):
            plan_jobs("score", ["a"], DAY, "scoring.no_such.effect")

    def test_tasks_go_to_the_named_queue(self):
        plan_jobs("score", ["a"], DAY, self.EFFECT, cluster="bulk")
        assert OrmQ.objects.get().key == "bulk"

    def test_it_never_takes_a_statement_per_key(self, django_assert_max_num_queries):
        with django_assert_max_num_queries(12):
            plan_jobs("score", [str(number) for number in range(400)], DAY, self.EFFECT)
