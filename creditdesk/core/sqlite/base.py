"""The DATABASES engine for SQLite."""

from django.db.backends.sqlite3.base import DatabaseWrapper as Django

from creditdesk.core.sqlite.schema import DatabaseSchemaEditor


class DatabaseWrapper(Django):
    SchemaEditorClass = DatabaseSchemaEditor
