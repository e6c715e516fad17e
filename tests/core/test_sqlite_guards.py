"""On SQLite, altering a guarded table must not lose its triggers, nor stumble over those that read it."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, connection, models, transaction

from scoring.models import Scorecard

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif("connection.vendor != 'sqlite'", reason="PostgreSQL alters tables in place"),
]


def triggers() -> dict[str, str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
        return dict(cursor.fetchall())


def test_altering_a_guarded_table_keeps_every_guard():
    before = triggers()
    # Its own triggers, and those of its bins that look at it.
    assert {"scoring_scorecard_frozen", "scoring_scorecardbin_no_update"} <= set(before)
    wider = models.CharField(max_length=500)
    wider.set_attributes_from_name("name")
    wider.model = Scorecard
    plain = Scorecard._meta.get_field("name")
    with connection.schema_editor() as editor:
        editor.alter_field(Scorecard, plain, wider, strict=True)
    try:
        assert triggers() == before
        with pytest.raises(IntegrityError, match="never edited"), transaction.atomic():
            Scorecard.objects.filter(status="active").update(base_points=1)
    finally:
        with connection.schema_editor() as editor:
            editor.alter_field(Scorecard, wider, plain, strict=True)
    assert triggers() == before
