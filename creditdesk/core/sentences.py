"""Sentences that are stored: never as the writer reads them, but so that each reader reads them in their own language.

A module whose sentences may end in a row (why a job refused, what an agency answered, what a report could not measure)
imports `gettext` from here instead of Django's. What it returns is the text in the language of the moment, as ever, and
remembers what it was made of; `stored` is called where rows are written, `told` where they are read. Rows of before
hold the text itself, which `told` hands on as it stands.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from django.utils import translation
from django.utils.functional import Promise

from creditdesk.core.wording import day

SAY, WITH, DAY = "say", "with", "day"


class Sentence(str):
    """A translated text that knows its msgid and what was filled in. Any other operation on it gives a plain text.

    Dates are filled in as the reader's language writes them, sentences and labels in that language.
    """

    msgid: str
    params: Mapping[str, Any] | tuple[Any, ...]

    def __new__(cls, msgid: str, params: Mapping[str, Any] | tuple[Any, ...] = ()) -> Sentence:
        said = super().__new__(cls, _said(msgid, params))
        said.msgid, said.params = msgid, params
        return said

    def __mod__(self, params: Any) -> Sentence:
        return Sentence(self.msgid, params if isinstance(params, Mapping | tuple) else (params,))

    def __str__(self) -> str:
        """In the language of now, which may be another than when it was made."""
        return _said(self.msgid, self.params)


def gettext(msgid: str) -> Sentence:
    """Django's `gettext`, of a sentence that may be stored."""
    return Sentence(msgid)


def in_a_row(sentences: Iterable[str], between: str = " ") -> Sentence:
    """Several sentences as one."""
    parts = tuple(sentences)
    return Sentence(between.join(["%s"] * len(parts)), parts)


def sentence_of(error: BaseException) -> str:
    """What an error says: its own `sentence`, or the Sentence it was raised with, or the plain text."""
    said = getattr(error, "sentence", None) or (error.args[0] if error.args else None)
    return said if isinstance(said, Sentence) else str(error)


def stored(value: Any) -> Any:
    """The same with every sentence in it taken apart, for a JSON column; at any depth."""
    if isinstance(value, Sentence):
        return {SAY: value.msgid, WITH: _filled(value.params)} if value.params else {SAY: value.msgid}
    if isinstance(value, Promise):
        # A label that is translated when it is shown: its msgid is what no language makes of it.
        with translation.override(None):
            return {SAY: str(value)}
    if isinstance(value, Mapping):
        return {name: stored(one) for name, one in value.items()}
    return [stored(one) for one in value] if isinstance(value, list | tuple) else value


def told(value: Any) -> str:
    """What was stored, in the reader's language; "" for nothing."""
    if isinstance(value, Mapping):
        return str(_restored(value)) if SAY in value else ""
    return str(value or "")


def readable(value: Any) -> Any:
    """A JSON column with its sentences put together again, for showing it as a whole."""
    if isinstance(value, Mapping):
        return told(value) if SAY in value else {name: readable(one) for name, one in value.items()}
    return [readable(one) for one in value] if isinstance(value, list | tuple) else value


def _restored(value: Any) -> Any:
    if isinstance(value, Mapping) and DAY in value:
        return date.fromisoformat(value[DAY])
    if not isinstance(value, Mapping) or SAY not in value:
        return value
    given = value.get(WITH, ())
    if isinstance(given, Mapping):
        return Sentence(value[SAY], {name: _restored(one) for name, one in given.items()})
    return Sentence(value[SAY], tuple(_restored(one) for one in given))


def _filled(params: Mapping[str, Any] | tuple[Any, ...]) -> Any:
    if isinstance(params, Mapping):
        return {name: _plain(one) for name, one in params.items()}
    return [_plain(one) for one in params]


def _plain(value: Any) -> Any:
    """What JSON can hold and a sentence fills in alike."""
    if isinstance(value, Sentence | Promise):
        return stored(value)
    if isinstance(value, date):
        return {DAY: value.isoformat()[:10]}
    return value if isinstance(value, bool | int | float | str) else str(value)


def _said(msgid: str, params: Any) -> str:
    if not params:
        return translation.gettext(msgid) if msgid else ""
    try:
        if isinstance(params, Mapping):
            return translation.gettext(msgid) % {name: _shown(one) for name, one in params.items()}
        return translation.gettext(msgid) % tuple(map(_shown, params))
    except (KeyError, TypeError, ValueError):
        # A translation, or a stored sentence, that does not fit what is filled in: its own words, rather than none.
        return msgid


def _shown(value: Any) -> Any:
    return day(value) if isinstance(value, date) else value
