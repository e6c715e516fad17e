"""Arguments of commands that people type."""

from __future__ import annotations

from argparse import ArgumentTypeError
from datetime import date

from django.utils.translation import gettext as _


def day(text: str) -> date:
    """A date as YYYY-MM-DD; anything else is refused with the way to write it."""
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise ArgumentTypeError(_("%s is not a date: write it as YYYY-MM-DD.") % text) from error
