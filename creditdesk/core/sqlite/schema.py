"""Altering a table without losing the guards on it.

SQLite cannot change most of a table in place: Django makes a new one, copies the rows, drops the old one (and
with it, silently, every trigger on it) and renames. A trigger elsewhere that reads the table makes the renaming
fail. So the triggers of both kinds step aside and come back.
"""

from __future__ import annotations

import re
from typing import Any

from django.db.backends.sqlite3.schema import DatabaseSchemaEditor as Django


class DatabaseSchemaEditor(Django):
    def _remake_table(self, model: Any, *args: Any, **kwargs: Any) -> None:
        triggers = self._triggers_about(model._meta.db_table)
        for name, _sql in triggers:
            self.execute(f"DROP TRIGGER {self.quote_name(name)}")
        super()._remake_table(model, *args, **kwargs)
        for _name, sql in triggers:
            self.execute(sql, params=None)

    def _triggers_about(self, table: str) -> list[tuple[str, str]]:
        with self.connection.cursor() as cursor:
            cursor.execute(
                "SELECT name, tbl_name, sql FROM sqlite_master WHERE type = 'trigger' ORDER BY rowid"
            )
            word = re.compile(rf"\b{re.escape(table)}\b")
            return [(name, sql) for name, on, sql in cursor.fetchall() if on == table or word.search(sql)]
