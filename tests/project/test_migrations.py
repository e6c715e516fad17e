"""Old databases and new ones have the same schema, and every guard is in it."""

import re

import pytest
from django.apps import apps
from django.db import connection
from django.db.migrations.autodetector import MigrationAutodetector
from django.db.migrations.loader import MigrationLoader

from creditdesk.core.guards import Guard, standing_guards

# Apps whose first migrations are squashed.
OWN = {"core", "customers", "scoring", "worklists", "dunning"}


def test_squashed_migrations_end_where_the_replaced_ones_do():
    new = MigrationLoader(None)
    old = MigrationLoader(None, replace_migrations=False)
    squashed = {key: node for key, node in new.disk_migrations.items() if node.replaces and key[0] in OWN}
    assert {app for app, _name in squashed} == OWN
    before = old.project_state([node.replaces[-1] for node in squashed.values()])
    after = new.project_state(list(squashed))
    assert before.models.keys() == after.models.keys()
    assert MigrationAutodetector(before, after)._detect_changes() == {}
    for (app, name), migration in squashed.items():
        names = [replaced for _app, replaced in migration.replaces]
        guards = standing_guards(f"{apps.get_app_config(app).name}.migrations", names)
        assert [op for op in migration.operations if isinstance(op, Guard)] == guards, (app, name)


@pytest.mark.django_db
def test_every_guard_is_in_the_database():
    """SQLite makes a table anew to alter it, and its triggers go with the old one, without a word."""
    declared = {
        name
        for migration in MigrationLoader(None).disk_migrations.values()
        for operation in migration.operations
        if isinstance(operation, Guard)
        for statement in operation.forwards[connection.vendor]
        for name in re.findall(r"^CREATE TRIGGER (\w+)", statement)
    }
    assert len(declared) > 50
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT name FROM sqlite_master WHERE type = 'trigger'"
            if connection.vendor == "sqlite"
            else "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal"
        )
        assert declared - {name for (name,) in cursor.fetchall()} == set()
