"""Writes a reminder in the customer's language from a template. Placeholders are plain text, nothing runs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from babel.dates import format_date
from django.utils.translation import gettext as _

from creditdesk.core.money import Money, format_money
from customers.models import Contact, CreditAccount, Instalment
from dunning.models import LANGUAGES, ReminderTemplate

PLACEHOLDERS = frozenset(
    {"customer", "contact", "company", "items", "total", "oldest_due", "days", "today", "sender"}
)
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_SPOKEN = {code for code, _label in LANGUAGES}


class ReminderError(ValueError):
    """A reminder that cannot be written or moved; the text names the cure."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A reminder as it would be sent."""

    language: str
    level: int
    subject: str
    body: str
    total: Money


def unknown_placeholders(text: str) -> set[str]:
    """What stands in {braces} and is no placeholder."""
    return set(_PLACEHOLDER.findall(text)) - PLACEHOLDERS


def fill(text: str, values: dict[str, str]) -> str:
    """Replace each known placeholder once; values are never looked at again, unknown braces stay."""
    return _PLACEHOLDER.sub(lambda match: values.get(match[1], match[0]), text)


def language_of(account: CreditAccount, contact: Contact | None) -> str:
    """The contact's language, else the customer's, else English; the first of them we have letters in."""
    wishes = [contact.language if contact else "", account.customer.language, "en"]
    return next(wish[:2] for wish in wishes if wish and wish[:2] in _SPOKEN)


def compose(
    account: CreditAccount,
    items: Sequence[tuple[Instalment, Money]],
    level: int,
    *,
    today: date,
    sender: str,
    contact: Contact | None = None,
) -> Letter:
    """The letter over these items (open amount each, one currency). Raises ReminderError.

    Instalments need `invoice` selected.
    """
    if not items:
        raise ReminderError(_("Choose at least one invoice to remind of."))
    if len({money.currency for _row, money in items}) != 1:
        raise ReminderError(_("Send one reminder per currency."))
    language = language_of(account, contact)
    template = ReminderTemplate.objects.filter(language=language, level=level).first()
    if template is None:
        raise ReminderError(
            _("There is no template of level %(level)s in %(language)s: add one under Reminder templates.")
            % {"level": level, "language": dict(LANGUAGES)[language]}
        )
    total = sum((money for _row, money in items), Money.zero(items[0][1].currency))
    oldest = min(row.due_on for row, _money in items)
    values = {
        "customer": account.customer.name,
        "contact": contact.name if contact else account.customer.name,
        "company": account.company.name,
        "items": "\n".join(_line(row, money, language) for row, money in sorted(items, key=_by_due)),
        "total": format_money(total, language=language),
        "oldest_due": _day(oldest, language),
        "days": str((today - oldest).days),
        "today": _day(today, language),
        "sender": sender,
    }
    # A name with a line break must not add headers to the mail.
    subject = " ".join(fill(template.subject, values).split())
    return Letter(language, level, subject[:200], fill(template.body, values), total)


def _by_due(item: tuple[Instalment, Money]) -> tuple[date, int]:
    return item[0].due_on, item[0].pk


def _day(value: date, language: str) -> str:
    return format_date(value, "d MMM y", locale="en_GB" if language == "en" else language)


def _line(row: Instalment, money: Money, language: str) -> str:
    words = {"en": "due", "it": "scadenza", "es": "vencimiento", "fr": "échéance"}
    return (
        f"  {row.invoice.number} · {words[language]} {_day(row.due_on, language)} · "
        f"{format_money(money, language=language)}"
    )
