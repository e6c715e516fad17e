"""Guarantees that the database itself keeps, written once for SQLite and PostgreSQL.

Each function returns a migration operation. The text of a refusal starts with the table and says the cure,
because it is what an operator sees when somebody edits behind the application's back.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module

from django.db.migrations.operations import CreateModel
from django.db.migrations.operations.base import Operation


class Guard(Operation):
    """SQL for the vendor it meets; the models stay as they are.

    Not RunPython: that draws up every model of the project anew for each operation, and there are many guards.
    """

    def __init__(self, sqlite: Sequence[str], postgres: Sequence[str], undo: Sequence[str]) -> None:
        self.forwards = {"sqlite": sqlite, "postgresql": postgres}
        self.undo = undo

    def state_forwards(self, app_label, state):
        pass

    def database_forwards(self, app_label, schema_editor, from_state, to_state):
        for statement in self.forwards[schema_editor.connection.vendor]:
            # No parameters: the driver must not read % in messages as placeholders.
            schema_editor.execute(statement, params=None)

    def database_backwards(self, app_label, schema_editor, from_state, to_state):
        vendor = schema_editor.connection.vendor
        for statement in self.undo:
            if vendor == "sqlite" and statement.startswith("DROP TRIGGER"):
                statement = statement.split(" ON ")[0]
            if vendor == "sqlite" and not statement.startswith("DROP TRIGGER"):
                continue
            schema_editor.execute(statement, params=None)

    def describe(self):
        return "Guard of the database"


def refuse_when(name: str, table: str, event: str, condition: str, message: str) -> Guard:
    """A trigger `name` that refuses `event` ("BEFORE UPDATE", "BEFORE INSERT", ...) on `table` when `condition` holds.

    `condition` is SQL over NEW and OLD valid in both dialects (use NOT (a IS b) only through `differs`).
    """
    text = message.replace("'", "''")
    body = f"WHEN ({condition})" if condition else ""
    # SQLite's IS DISTINCT FROM needs 3.39; IS NOT works in every version but means something else in PostgreSQL.
    sqlite_body = body.replace(" IS DISTINCT FROM ", " IS NOT ")
    sqlite = [
        f"CREATE TRIGGER {name} {event} ON {table} FOR EACH ROW {sqlite_body} "
        f"BEGIN SELECT RAISE(ABORT, '{text}'); END"
    ]
    postgres = [
        f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $guard$ BEGIN "
        f"RAISE EXCEPTION USING MESSAGE = '{text}', ERRCODE = 'check_violation'; END $guard$",
        f"CREATE TRIGGER {name} {event} ON {table} FOR EACH ROW {body} EXECUTE FUNCTION {name}()",
    ]
    undo = [f"DROP TRIGGER {name} ON {table}", f"DROP FUNCTION {name}()"]
    return Guard(sqlite, postgres, undo)


def refuse_when_exists(
    name: str, table: str, event: str, query: str, message: str, *, lock: str = ""
) -> Operation:
    """A trigger that refuses when `SELECT ... ` over other rows (may use NEW, OLD) returns a row.

    lock: a SELECT ... FOR UPDATE that PostgreSQL runs first, so that the query sees what another transaction is just
    committing. SQLite has one writer at a time and needs none.
    """
    text = message.replace("'", "''")
    first = f"PERFORM {lock.removeprefix('SELECT ')}; " if lock else ""
    sqlite = [
        f"CREATE TRIGGER {name} {event} ON {table} FOR EACH ROW WHEN EXISTS ({query}) "
        f"BEGIN SELECT RAISE(ABORT, '{text}'); END"
    ]
    postgres = [
        f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $guard$ BEGIN "
        f"{first}IF EXISTS ({query}) THEN RAISE EXCEPTION USING MESSAGE = '{text}', ERRCODE = 'check_violation'; END IF; "
        f"RETURN COALESCE(NEW, OLD); END $guard$",
        f"CREATE TRIGGER {name} {event} ON {table} FOR EACH ROW EXECUTE FUNCTION {name}()",
    ]
    undo = [f"DROP TRIGGER {name} ON {table}", f"DROP FUNCTION {name}()"]
    return Guard(sqlite, postgres, undo)


def append_only(
    table: str,
    frozen: Sequence[str] = (),
    *,
    set_once: Sequence[str] = (),
    deletable_when: str = "",
) -> list[Operation]:
    """Triggers that make `table` append-only.

    frozen: columns an UPDATE may not change (empty: any UPDATE is refused).
    set_once: columns that may go from NULL to a value once.
    deletable_when: SQL condition over OLD under which DELETE is allowed (default: never).
    """
    message = f"{table} is append-only: record a correction that supersedes the row instead"
    changed = [f"OLD.{column} IS DISTINCT FROM NEW.{column}" for column in frozen]
    changed += [
        f"(OLD.{column} IS NOT NULL AND OLD.{column} IS DISTINCT FROM NEW.{column})" for column in set_once
    ]
    update_condition = " OR ".join(changed)
    delete_condition = f"NOT ({deletable_when})" if deletable_when else ""
    return [
        refuse_when(f"{table}_frozen", table, "BEFORE UPDATE", update_condition, message),
        refuse_when(f"{table}_kept", table, "BEFORE DELETE", delete_condition, message),
    ]


class _Undone(Operation):
    """A guard of an earlier migration taken away."""

    def __init__(self, guard: Guard) -> None:
        self.guard = guard

    def state_forwards(self, app_label, state):
        pass

    def database_forwards(self, app_label, schema_editor, from_state, to_state):
        self.guard.database_backwards(app_label, schema_editor, from_state, to_state)

    def database_backwards(self, app_label, schema_editor, from_state, to_state):
        self.guard.database_forwards(app_label, schema_editor, from_state, to_state)

    def describe(self):
        return "Guard of the database removed"


def undone(guard: Guard) -> Operation:
    """The operation that takes a guard of an earlier migration away, and puts it back when reversed."""
    return _Undone(guard)


def standing_guards(package: str, names: Sequence[str]) -> list[Guard]:
    """The guards that stand after the named migrations of a package, in order, without those taken away meanwhile.

    For a squashed migration, so that each guard is written once.
    """
    standing: list[Guard] = []
    for name in names:
        for operation in import_module(f"{package}.{name}").Migration.operations:
            if isinstance(operation, Guard):
                standing.append(operation)
            elif isinstance(operation, _Undone):
                standing = [guard for guard in standing if guard.forwards != operation.guard.forwards]
    return standing


class Tables(Operation):
    """Many `CreateModel`, whose models are drawn up together.

    In a list of operations, Django draws up each new model with all it refers to and is referred to by: for the
    tables of a whole app that is most of the time a new database takes.
    """

    reversible = True

    def __init__(self, *models: CreateModel) -> None:
        self.models = models

    def state_forwards(self, app_label, state):
        state.clear_delayed_apps_cache()
        state.__dict__.pop("apps", None)  # `state.apps` then draws up everything, once
        for model in self.models:
            model.state_forwards(app_label, state)

    def database_forwards(self, app_label, schema_editor, from_state, to_state):
        for model in self.models:
            model.database_forwards(app_label, schema_editor, from_state, to_state)

    def database_backwards(self, app_label, schema_editor, from_state, to_state):
        for model in reversed(self.models):
            model.database_backwards(app_label, schema_editor, from_state, to_state)

    def references_model(self, name, app_label):
        return any(model.references_model(name, app_label) for model in self.models)

    def describe(self):
        return f"Create {len(self.models)} models"


class TablesComplete(Operation):
    """Whatever Django keeps for the end of a migration (foreign keys, indexes) is done now: guards may build on it."""

    reversible = True

    def state_forwards(self, app_label, state):
        pass

    def database_forwards(self, app_label, schema_editor, from_state, to_state):
        while schema_editor.deferred_sql:
            schema_editor.execute(schema_editor.deferred_sql.pop(0), None)

    def database_backwards(self, app_label, schema_editor, from_state, to_state):
        pass

    def describe(self):
        return "Foreign keys and indexes"


def erasable(
    table: str, kept: Sequence[str], words: Sequence[str], *, once: str = "", name: str = "", says: str = ""
) -> Guard:
    """The trigger `name` (`<table>_frozen`) of an append-only table whose words a person may have erased (GDPR art. 17).

    kept: every column but `words`, `erased_at` and the key: an UPDATE may change none of them. words: text columns that
    go all together and for good, with `erased_at` set. once: SQL condition over OLD under which all this holds (empty:
    always); a table with a life before its end has guards of its own for the time until then.
    """

    def differ(columns: Sequence[str]) -> str:
        return " OR ".join(f'OLD."{column}" IS DISTINCT FROM NEW."{column}"' for column in columns)

    gone = " AND ".join(f"NEW.\"{word}\" = ''" for word in words)
    there = " OR ".join(f"OLD.\"{word}\" <> ''" for word in words)
    erased = f"{gone} AND ({there}) AND NEW.erased_at IS NOT NULL"
    refused = f"{differ(kept)} OR (({differ([*words, 'erased_at'])}) AND NOT ({erased}))"
    return refuse_when(
        name or f"{table}_frozen",
        table,
        "BEFORE UPDATE",
        f"({once}) AND ({refused})" if once else refused,
        says or f"{table} is append-only: only its words may be erased, all of them and for good",
    )
