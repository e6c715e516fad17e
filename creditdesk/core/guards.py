"""Guarantees that the database itself keeps, written once for SQLite and PostgreSQL.

Each function returns a migration operation. The text of a refusal starts with the table and says the cure,
because it is what an operator sees when somebody edits behind the application's back.
"""

from __future__ import annotations

from collections.abc import Sequence

from django.db import migrations


class Guard(migrations.RunPython):
    """RunPython that only executes SQL for the vendor it meets, and leaves no state behind."""

    def __init__(self, sqlite: Sequence[str], postgres: Sequence[str], undo: Sequence[str]) -> None:
        def forwards(apps, schema_editor):
            statements = sqlite if schema_editor.connection.vendor == "sqlite" else postgres
            for statement in statements:
                # No parameters: the driver must not read % in messages as placeholders.
                schema_editor.execute(statement, params=None)

        def backwards(apps, schema_editor):
            vendor = schema_editor.connection.vendor
            for statement in undo:
                if vendor == "sqlite" and statement.startswith("DROP TRIGGER"):
                    statement = statement.split(" ON ")[0]
                if vendor == "sqlite" and not statement.startswith("DROP TRIGGER"):
                    continue
                schema_editor.execute(statement, params=None)

        super().__init__(forwards, backwards, elidable=False)


def refuse_when(name: str, table: str, event: str, condition: str, message: str) -> migrations.RunPython:
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


def refuse_when_exists(name: str, table: str, event: str, query: str, message: str) -> migrations.RunPython:
    """A trigger that refuses when `SELECT ... ` over other rows (may use NEW, OLD) returns a row."""
    text = message.replace("'", "''")
    sqlite = [
        f"CREATE TRIGGER {name} {event} ON {table} FOR EACH ROW WHEN EXISTS ({query}) "
        f"BEGIN SELECT RAISE(ABORT, '{text}'); END"
    ]
    postgres = [
        f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $guard$ BEGIN "
        f"IF EXISTS ({query}) THEN RAISE EXCEPTION USING MESSAGE = '{text}', ERRCODE = 'check_violation'; END IF; "
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
) -> list[migrations.RunPython]:
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
