"""What every bank file is read into: statements of lines in one currency, whatever the format was."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache

from django.conf import settings
from django.utils.crypto import salted_hmac

from creditdesk.core.money import Money, exponent, format_money
from customers.imports.problems import WARNING, Problem
from customers.models import BankTransaction

Category = BankTransaction.Category

# References that banks write where there is none.
NO_REFERENCE = {"", "NONREF", "NOTPROVIDED", "NOTAVAILABLE", "NOREF", "N/A", "0"}

# How banks say that a payment came back, in the languages of the feeds met so far.
_REJECTED = re.compile(
    r"\bnsf\b|insufficient funds|sanction interest"
    r"|\b(returned|unpaid|dishonou?red) (item|direct debit|debit|cheque|check|payment)"
    r"|r(ü|ue?)cklastschrift|lastschr\w*\.?\s+(retoure|r(ü|ue?)ckgabe)|scheckr(ü|ue?)ckgabe"
    r"|\binsolut[oi]\b|\bimpagat[oi]\b|\bimpay[ée]s?\b|\brejet\b"
    r"|devoluci[óo]n (de )?(recibo|adeudo|cheque|pagar[ée])|\bterugboeking\b|\bstorneringsnota\b",
    re.IGNORECASE,
)


@dataclass(slots=True)
class Line:
    """One booking. `amount` and `balance` in minor units of the statement's currency, credit positive.

    `reference` (the bank's own) and `text` only make the key; neither is stored.
    """

    row: int
    day: date
    amount: int
    balance: int | None = None
    category: str = ""
    is_rejected: bool = False
    counterparty: str = ""
    reference: str = ""
    text: str = ""


@dataclass(slots=True)
class Statement:
    """Lines of one account. `account` as the file names it; `customer` where the file says whose it is."""

    account: str
    currency: str
    row: int = 1
    id: str = ""
    customer: str = ""
    opening: int | None = None
    closing: int | None = None
    first_day: date | None = None
    last_day: date | None = None
    lines: list[Line] = field(default_factory=list)
    # Bookings the file holds but that could not be read: then sums cannot be held against balances.
    refused: int = 0


def fingerprint(counterparty: str) -> str:
    """Tells counterparties apart without naming them: keyed with the installation's secret, 16 characters."""
    plain = re.sub(r"[\W_]+", "", counterparty).casefold()
    return _fingerprint(plain, settings.SECRET_KEY) if plain else ""


@lru_cache(maxsize=20_000)
def _fingerprint(plain: str, secret: str) -> str:
    """Kept for the counterparties met last: a feed names the same ones again and again."""
    return salted_hmac("bank counterparty", plain, secret=secret, algorithm="sha256").hexdigest()[:16]


def says_rejected(text: str) -> bool:
    """Whether the text of a booking says that a payment was returned or refused, or the account overdrawn."""
    return bool(_REJECTED.search(text))


def base_key(line: Line) -> str:
    """The same booking in two files has the same key: the bank's reference, or else all that is known of it."""
    reference = line.reference.strip().upper()
    about = f"r:{reference}" if reference not in NO_REFERENCE else f"t:{line.counterparty}:{line.text}"
    plain = re.sub(r"\s+", " ", f"{line.day.isoformat()}|{line.amount}|{about}")
    return hashlib.sha256(plain.encode()).hexdigest()[:32]


def in_booking_order(lines: Sequence[Line], rounding: int = 0) -> tuple[list[Line], list[date]]:
    """Lines by day, those of a day in the order in which their balances follow each other.

    Banks list newest first, oldest first, or in no order at all; a balance after each line says which came when.
    Also the days whose balances do not chain in any order: there the file's order stays. `rounding`: by how much
    (minor units) a balance may be off; some banks round interest in the amount and not in the balance.
    """
    by_day: dict[date, list[Line]] = defaultdict(list)
    for line in lines:
        by_day[line.day].append(line)
    ordered: list[Line] = []
    broken = []
    before: int | None = None
    for day in sorted(by_day):
        group = by_day[day]
        if any(line.balance is None for line in group):
            ordered += group
            before = group[-1].balance
            continue
        chain = _chain(group, before) or _nearest(group, before, rounding)
        if chain is None or (before is not None and abs(_start(chain[0]) - before) > rounding):
            broken.append(day)
        ordered += chain or group
        before = ordered[-1].balance
    return ordered, broken


def _start(line: Line) -> int:
    """The balance before the line."""
    return (line.balance or 0) - line.amount


def _nearest(group: list[Line], before: int | None, rounding: int) -> list[Line] | None:
    """The order in which every line starts from about the balance the one before left."""
    rest = list(group)
    path: list[Line] = []
    at = before if before is not None else _start(rest[0])
    while rest:
        best = min(rest, key=lambda line: abs(_start(line) - at))
        if path and abs(_start(best) - at) > rounding:
            return None
        rest.remove(best)
        path.append(best)
        at = best.balance or 0
    return path


def _chain(group: list[Line], before: int | None) -> list[Line] | None:
    """An order of the lines in which each starts from the balance the one before left (an Eulerian path)."""
    leaving: dict[int, list[Line]] = defaultdict(list)
    degree: dict[int, int] = defaultdict(int)
    for line in reversed(group):
        leaving[_start(line)].append(line)
        degree[_start(line)] += 1
        degree[line.balance or 0] -= 1
    starts = [balance for balance, extra in degree.items() if extra > 0]
    if len(starts) > 1 or any(extra > 1 for extra in degree.values()):
        return None
    start = starts[0] if starts else before if before in leaving else _start(group[0])
    stack: list[tuple[int, Line | None]] = [(start or 0, None)]
    path: list[Line] = []
    while stack:
        at, came_by = stack[-1]
        if leaving[at]:
            line = leaving[at].pop()
            stack.append((line.balance or 0, line))
        else:
            stack.pop()
            if came_by is not None:
                path.append(came_by)
    path.reverse()
    return path if len(path) == len(group) else None


def complete_balances(statement: Statement) -> list[Problem]:
    """Put lines in order, give each the balance after it where that follows, and check what the file claims."""
    statement.lines, broken = in_booking_order(statement.lines, 10 ** exponent(statement.currency))
    lines, found = statement.lines, []
    if broken:
        found.append(
            Problem(
                lines[0].row,
                "",
                statement.account,
                "balances_do_not_chain",
                {"days": len(broken), "first": broken[0].isoformat()},
                WARNING,
            )
        )
    bare = not statement.refused and all(line.balance is None for line in lines)
    if statement.opening is None and statement.closing is not None and bare:
        # Some banks leave the opening balance out: it is what the bookings leave of the closing one.
        statement.opening = statement.closing - sum(line.amount for line in lines)
    known = statement.opening
    for line in lines:
        if line.balance is None and known is not None:
            line.balance = known + line.amount
        known = line.balance
    after: int | None = None
    for line in reversed(lines):
        if line.balance is None and after is not None:
            line.balance = after
        after = None if line.balance is None else line.balance - line.amount
    if statement.opening is not None and statement.closing is not None and not statement.refused:
        total = statement.opening + sum(line.amount for line in lines)
        if total != statement.closing:
            found.append(
                Problem(
                    statement.row,
                    "",
                    statement.id or statement.account,
                    "statement_does_not_add_up",
                    {
                        "computed": plain(total, statement.currency),
                        "stated": plain(statement.closing, statement.currency),
                    },
                    WARNING,
                )
            )
    return found


def plain(minor: int, currency: str) -> str:
    return format_money(Money(minor, currency), language="en")


def days_of(statements: Iterable[Statement]) -> tuple[date | None, date | None]:
    days = [line.day for s in statements for line in s.lines]
    return (min(days), max(days)) if days else (None, None)
