from datetime import timedelta

import pytest
from django.db import DatabaseError, connection, transaction

from creditdesk.core.audit import Actor, Change, record_act, seal_entries, verify_seals
from creditdesk.core.models import AuditChange, AuditEntry

pytestmark = pytest.mark.django_db
JOB = Actor.job("test")


def act(n):
    with transaction.atomic():
        return record_act(f"act.{n}", actor=JOB, changes=[Change("t", n, {"a": 1}, {"a": 2})])


@pytest.mark.django_db(transaction=True)
def test_an_act_outside_its_transaction_is_refused():
    with pytest.raises(RuntimeError, match="inside the transaction"):
        record_act("x", actor=JOB)


def test_the_trail_only_grows():
    entry = act(1)
    for change in (
        lambda: AuditEntry.objects.filter(pk=entry.pk).update(act="other"),
        lambda: AuditEntry.objects.filter(pk=entry.pk).delete(),
        lambda: AuditChange.objects.filter(entry=entry).update(after={}),
    ):
        with pytest.raises((DatabaseError, Exception), match=r"append-only|protected"), transaction.atomic():
            change()
    entry.refresh_from_db()
    assert entry.act == "act.1"


def test_seals_verify_and_find_tampering():
    for n in range(3):
        act(n)
    assert seal_entries(older_than=timedelta(0)).entries == 3
    act(4)
    assert seal_entries(older_than=timedelta(0)).entries == 1
    assert seal_entries(older_than=timedelta(0)) is None
    assert verify_seals() == []
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("DROP TRIGGER core_auditchange_frozen")
        else:
            cursor.execute("DROP TRIGGER core_auditchange_frozen ON core_auditchange")
    change = AuditChange.objects.order_by("pk").first()
    AuditChange.objects.filter(pk=change.pk).update(after={"a": 3})
    assert any(f"entry {change.entry_id} differs" in finding for finding in verify_seals())
