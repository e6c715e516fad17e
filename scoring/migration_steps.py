"""Steps of migration signal_catalogue that Django's operations do not cover; never changed after release."""

from __future__ import annotations

from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import migrations, models

from creditdesk.core.guards import Guard, refuse_when
from creditdesk.core.slimming import drop_foreign_key

TABLES = ("scoring_scorecard", "scoring_scorecardbin")
CARD = "kind evidence_from base_points anchor_score odds_at_anchor points_to_double".split()
_aside: dict[str, list[str]] = {}


def first_layout() -> migrations.SeparateDatabaseAndState:
    """The JSON columns of the first layout stay as they are, under the names the code now gives them."""

    def renamed(old: str, new: str, label: str) -> list[Any]:
        field = models.JSONField(
            db_column=old, default=dict, editable=False, encoder=DjangoJSONEncoder, verbose_name=label
        )
        return [
            migrations.RenameField("scorehistory", old, new),
            migrations.AlterField("scorehistory", new, field),
        ]

    return migrations.SeparateDatabaseAndState(
        state_operations=[
            *renamed("signals", "first_signals", "signals (first layout)"),
            *renamed("points", "first_points", "points (first layout)"),
        ]
    )


def triggers_aside() -> migrations.RunPython:
    """The triggers of the card tables are put aside while their columns change.

    SQLite changes a table by writing it anew, which loses its triggers and stumbles over those that name it;
    PostgreSQL changes no type of a column a trigger reads.
    """

    def forwards(apps: Any, schema_editor: Any) -> None:
        connection = schema_editor.connection
        with connection.cursor() as cursor:
            if connection.vendor == "sqlite":
                cursor.execute("SELECT name, sql, tbl_name FROM sqlite_master WHERE type = 'trigger'")
                found = [
                    (f"DROP TRIGGER {n}", sql)
                    for n, sql, table in cursor.fetchall()
                    if _speaks_of(sql, table)
                ]
            else:
                cursor.execute(
                    "SELECT tgname, pg_get_triggerdef(oid) FROM pg_trigger "
                    "WHERE NOT tgisinternal AND tgrelid = 'scoring_scorecard'::regclass"
                )
                found = [(f"DROP TRIGGER {n} ON scoring_scorecard", sql) for n, sql in cursor.fetchall()]
        for drop, _sql in found:
            schema_editor.execute(drop)
        _aside[connection.alias] = [sql for _drop, sql in found]

    return migrations.RunPython(forwards, migrations.RunPython.noop, elidable=False)


def _speaks_of(sql: str, table: str) -> bool:
    return table in TABLES or any(f"{name} " in sql for name in TABLES)


def triggers_back() -> migrations.RunPython:
    def forwards(apps: Any, schema_editor: Any) -> None:
        for sql in _aside.pop(schema_editor.connection.alias, []):
            schema_editor.execute(sql, params=None)

    return migrations.RunPython(forwards, migrations.RunPython.noop, elidable=False)


def card_frozen() -> Guard:
    """The new numbers of a card are frozen with the others once it is no draft any more."""
    changed = " OR ".join(f"OLD.{c} IS DISTINCT FROM NEW.{c}" for c in CARD)
    return refuse_when(
        "scoring_scorecard_kind_frozen",
        "scoring_scorecard",
        "BEFORE UPDATE",
        f"OLD.status <> 'draft' AND ({changed})",
        "scoring_scorecard: a card that was active is never edited; make a new version",
    )


REFERS = """
CREATE FUNCTION scoring_scorehistory_refers() RETURNS trigger LANGUAGE plpgsql
  SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off AS $guard$ BEGIN
IF EXISTS (SELECT 1 FROM fresh f WHERE NOT EXISTS (SELECT 1 FROM customers_creditaccount a WHERE a.id = f.account_id))
  OR EXISTS (SELECT 1 FROM (SELECT DISTINCT card_id FROM fresh) f
    WHERE NOT EXISTS (SELECT 1 FROM scoring_scorecard c WHERE c.id = f.card_id))
  OR EXISTS (SELECT 1 FROM (SELECT DISTINCT entry_id FROM fresh WHERE entry_id IS NOT NULL) f
    WHERE NOT EXISTS (SELECT 1 FROM core_auditentry e WHERE e.id = f.entry_id))
THEN RAISE EXCEPTION USING MESSAGE = 'scoring_scorehistory: no such account, scorecard or audit entry',
  ERRCODE = 'foreign_key_violation'; END IF;
RETURN NULL; END $guard$
"""
KEEPS = """
CREATE FUNCTION scoring_scorehistory_keeps_account() RETURNS trigger LANGUAGE plpgsql AS $guard$ BEGIN
IF EXISTS (SELECT 1 FROM scoring_scorehistory h WHERE h.account_id = OLD.id)
THEN RAISE EXCEPTION USING MESSAGE = 'customers_creditaccount: its kept scores refer to it',
  ERRCODE = 'foreign_key_violation'; END IF;
RETURN OLD; END $guard$
"""
TRIGGERS = (
    "CREATE TRIGGER scoring_scorehistory_refers AFTER INSERT ON scoring_scorehistory REFERENCING NEW TABLE AS fresh "
    "FOR EACH STATEMENT EXECUTE FUNCTION scoring_scorehistory_refers()",
    "CREATE TRIGGER scoring_scorehistory_keeps_account BEFORE DELETE ON customers_creditaccount "
    "FOR EACH ROW EXECUTE FUNCTION scoring_scorehistory_keeps_account()",
)


def references_by_statement() -> Guard:
    """PostgreSQL: the three foreign keys of a kept score are checked per statement instead of per row.

    A month-end keeps every score of the book: three deferred checks per row took as long as the scoring. Unlike
    creditdesk.core.slimming it locks no account: a pass holds the lock of the account's current score, which has
    to go before the account can. Cards and audit entries are kept by triggers of their own.
    """
    tables = {
        "account_id": "customers_creditaccount",
        "card_id": "scoring_scorecard",
        "entry_id": "core_auditentry",
    }
    postgres = [drop_foreign_key("scoring_scorehistory", column) for column in tables]
    undo = [
        "DROP TRIGGER scoring_scorehistory_refers ON scoring_scorehistory",
        "DROP FUNCTION scoring_scorehistory_refers()",
        "DROP TRIGGER scoring_scorehistory_keeps_account ON customers_creditaccount",
        "DROP FUNCTION scoring_scorehistory_keeps_account()",
        *(
            f"ALTER TABLE scoring_scorehistory ADD FOREIGN KEY ({column}) REFERENCES {parent} (id) "
            "DEFERRABLE INITIALLY DEFERRED"
            for column, parent in tables.items()
        ),
    ]
    return Guard([], [*postgres, REFERS, KEEPS, *TRIGGERS], undo)


Column = tuple[str, str, str]
"""Name, "float" or "integer", label."""


class SignalColumns(migrations.operations.base.Operation):
    """Adds a nullable column per signal to tables, and removes others, all at once.

    As Django's own operations, two hundred of them take a minute of rendering models on every fresh database.
    """

    reversible = False
    elidable = False

    def __init__(self, added: dict[str, list[Column]], removed: dict[str, list[str]]) -> None:
        self.added, self.removed = added, removed

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        return self.__class__.__name__, [self.added, self.removed], {}

    def describe(self) -> str:
        return "One column per signal"

    def state_forwards(self, app_label: str, state: Any) -> None:
        # Models are rendered again when somebody asks for them, not once per field.
        state.__dict__.pop("apps", None)
        for model, columns in self.added.items():
            for name, kind, label in columns:
                field = models.FloatField if kind == "float" else models.IntegerField
                state.add_field(
                    app_label,
                    model,
                    name,
                    field(label, null=True, blank=True),
                    preserve_default=True,  # type: ignore[arg-type]
                )
        for model, names in self.removed.items():
            for name in names:
                state.remove_field(app_label, model, name)

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        postgres = schema_editor.connection.vendor == "postgresql"
        types = {"float": "double precision" if postgres else "real", "integer": "integer"}
        for model in sorted({*self.added, *self.removed}):
            changes = [
                f"ADD COLUMN {name} {types[kind]} NULL" for name, kind, _l in self.added.get(model, [])
            ]
            changes += [f"DROP COLUMN {name}" for name in self.removed.get(model, [])]
            for change in [", ".join(changes)] if postgres else changes:
                schema_editor.execute(f"ALTER TABLE {app_label}_{model} {change}")

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        raise NotImplementedError("kept scores of the new layout have no place in the old one")
