"""Catches sentences that are stored in the writer's language: every translation is marked while writers run, and no
marked text may reach a row. What is written for one reader, in that reader's language, is let through without its mark."""

import contextlib
import json
from unittest import mock

from django.db import connection
from django.utils import translation

MARK = "\u2063"
NAMES = ("gettext", "ngettext", "pgettext", "npgettext")
# Mails and letters are written once, in the language of whom they go to.
FOR_ONE_READER = ("core_staffmail", "dunning_reminder", "scoring_decisionletter")


@contextlib.contextmanager
def watched():
    """Yields the list of what was stored against the rule; not empty at the end: AssertionError."""
    found: list[str] = []

    def watch(execute, sql, params, many, context):
        if params and sql.lstrip()[:6].upper() in ("INSERT", "UPDATE"):
            told = [text for text in _texts(params) if MARK in text or json.dumps(MARK)[1:-1] in text]
            if told and any(f'"{table}"' in sql[:80] for table in FOR_ONE_READER):
                params = _unmarked(params)
            else:
                found.extend(f"{sql[:60]}: {text[:200]}" for text in told)
        return execute(sql, params, many, context)

    with contextlib.ExitStack() as stack:
        for name in NAMES:
            marking = _marking(getattr(translation._trans, name))
            stack.enter_context(mock.patch.object(translation._trans, name, marking))
        stack.enter_context(connection.execute_wrapper(watch))
        yield found
    assert found == [], (
        "stored as a sentence of the writer's language (creditdesk/core/sentences.py): " + "; ".join(found)
    )


def _marking(real):
    def marked(*args, **kwargs):
        text = real(*args, **kwargs)
        return f"{text}{MARK}" if text and translation.get_language() else text

    return marked


def _texts(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _texts(one)
    elif hasattr(value, "obj"):  # JSON on its way to PostgreSQL
        yield json.dumps(value.obj, ensure_ascii=False, default=str)


def _unmarked(value):
    if isinstance(value, str):
        return value.replace(MARK, "")
    return type(value)(map(_unmarked, value)) if isinstance(value, list | tuple) else value
