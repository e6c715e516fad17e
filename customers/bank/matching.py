"""Whose lines a file holds, and which of them are new: accounts to customers, lines to what is stored."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date

from customers.bank.consents import BALANCES, TRANSACTIONS, consent_of, in_force, scope_of
from customers.bank.lines import Line, Statement, base_key, days_of, plain
from customers.imports.problems import WARNING, Problem
from customers.models import BankAccount, BankConsent, BankTransaction, Customer, CustomerKey

CHUNK = 500


@dataclass(slots=True)
class Feed:
    """The statements of one customer's account, with what of them is to be stored: (key, line, statement id)."""

    account: str
    currency: str
    customer: Customer
    consent: BankConsent
    stored: BankAccount | None
    statements: list[Statement] = field(default_factory=list)
    new: list[tuple[str, Line, str]] = field(default_factory=list)
    unchanged: int = 0
    # Stored lines that a new one replaces: the same booking, now with the balance after it.
    completed: list[int] = field(default_factory=list)
    completed_keys: set[str] = field(default_factory=set)


_IBAN = re.compile(r"[A-Z]{2}\d{2}[A-Z0-9]{11,30}")


def plain_account(text: str) -> str:
    """An account number without blanks, so that an IBAN in groups of four is the same account."""
    return text.replace(" ", "").upper()[:34]


def _is_iban(text: str) -> bool:
    """By its check digits (ISO 7064, mod 97-10)."""
    if not _IBAN.fullmatch(text):
        return False
    return int("".join(str(int(c, 36)) for c in text[4:] + text[:4])) % 97 == 1


def account_number(text: str, currency: str) -> str:
    """The same account in the files of one bank: MT940 writes BIC/IBAN or the currency behind what CAMT names alone."""
    whole = text.replace(" ", "").upper()
    last = whole.rpartition("/")[2]
    for one in (last, last.removesuffix(currency or "-")):
        if one != whole and _is_iban(one):
            return one
    return whole[:34]


def feeds_of(
    statements: Iterable[Statement], customer: Customer | None, source_id: int, on: date
) -> tuple[list[Feed], list[Problem]]:
    """Statements by account of a customer whose consent is in force on that day; problems for all others.

    customer: everything in the file is this customer's. Otherwise the file's own customer column decides (the
    source's customer key, or the customer number), or the account number, if it is known.
    """
    some = [s for s in statements if s.lines or s.refused or s.opening is not None]
    named = {s.customer for s in some if s.customer}
    people = {} if customer else customers_named(named, source_id)
    # Accounts of before are found under the number they were stored with.
    known = _known_accounts(
        {number for s in some if s.account for number in (plain_account(s.account), _number(s))}
    )
    feeds: dict[tuple[int, str], Feed] = {}
    problems: list[Problem] = []
    consents: dict[int, BankConsent | None] = (
        {customer.pk: consent_of(customer, on)}
        if customer
        else _consents([c.pk for c in people.values()], on)
    )
    for s in some:
        number = plain_account(s.account) or "1"
        if number not in known:
            number = _number(s) or number
        owners = known.get(number, [])
        owner = customer or people.get(s.customer)
        if owner is None and not s.customer and len(owners) == 1:
            owner = owners[0].customer
        if owner is None:
            code = "unknown_customer" if s.customer else "whose_account"
            problems.append(Problem(s.row, "", s.customer or s.account, code, {"lines": len(s.lines)}))
            continue
        if owner.pk not in consents:
            consents[owner.pk] = consent_of(owner, on)
        consent = consents[owner.pk]
        if consent is None or TRANSACTIONS not in scope_of(consent):
            params = {"customer": owner.code, "day": on.isoformat()}
            problems.append(Problem(s.row, "", s.account or s.customer, "no_consent", params))
            continue
        stored = next((a for a in owners if a.customer_id == owner.pk), None)
        if s.lines and stored is not None and stored.currency != s.currency:
            params = {"currency": stored.currency}
            problems.append(Problem(s.row, "", s.currency, "currency_of_account", params))
            continue
        key = (owner.pk, number)
        feed = feeds.get(key)
        if feed is None:
            feed = feeds[key] = Feed(number, s.currency, owner, consent, stored)
        elif s.lines and feed.currency and s.currency != feed.currency:
            problems.append(
                Problem(s.row, "", s.currency, "currency_of_account", {"currency": feed.currency})
            )
            continue
        feed.currency = feed.currency or s.currency
        feed.statements.append(s)
    return list(feeds.values()), problems


def _number(statement: Statement) -> str:
    return account_number(statement.account, statement.currency)


def customers_named(names: set[str], source_id: int) -> dict[str, Customer]:
    """{name in the file: customer}, by customer number or by the source's own key for it."""
    found: dict[str, Customer] = {}
    wanted = sorted(names)
    for start in range(0, len(wanted), CHUNK):
        part = wanted[start : start + CHUNK]
        for customer in Customer.objects.filter(code__in=part).select_related("merged_into"):
            found[customer.code] = customer.merged_into or customer
        keys = CustomerKey.objects.filter(source=source_id, key__in=part)
        for key in keys.select_related("customer__merged_into"):
            found[key.key] = key.customer.merged_into or key.customer
    return found


def _known_accounts(numbers: set[str]) -> dict[str, list[BankAccount]]:
    found: dict[str, list[BankAccount]] = defaultdict(list)
    wanted = sorted(numbers)
    for start in range(0, len(wanted), CHUNK):
        rows = BankAccount.objects.filter(iban__in=wanted[start : start + CHUNK])
        for account in rows.select_related("customer"):
            found[account.iban].append(account)
    return found


def _consents(customers: list[int], on: date) -> dict[int, BankConsent | None]:
    found: dict[int, BankConsent | None] = dict.fromkeys(customers)
    for start in range(0, len(customers), CHUNK):
        part = customers[start : start + CHUNK]
        rows = BankConsent.objects.filter(in_force(on), customer__in=part)
        for consent in rows.order_by("expires_on", "pk"):
            found[consent.customer_id] = consent
    return found


@dataclass(slots=True)
class _Stored:
    """What is stored of one account around the file's days."""

    keys: set[str] = field(default_factory=set)
    # Lines without a balance, by key: a later file may state it.
    unstated: dict[str, int] = field(default_factory=dict)
    # The same of lines that are to be stored, from another statement of the file.
    waiting: set[str] = field(default_factory=set)
    count: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    statements: set[str] = field(default_factory=set)
    # (day, balance before its first line, balance after its last line), newest last.
    days: dict[date, list[int | None]] = field(default_factory=dict)
    lines_on: dict[date, int] = field(default_factory=lambda: defaultdict(int))
    last: tuple[date, int | None] | None = None

    def add(self, key: str, day: date, amount: int, balance: int | None, statement: str) -> None:
        self.keys.add(key)
        self.count[key.rpartition("-")[0]] += 1
        if statement:
            self.statements.add(statement)
        ends = self.days.setdefault(day, [None if balance is None else balance - amount, balance])
        ends[1] = balance
        self.lines_on[day] += 1
        if self.last is None or day >= self.last[0]:
            self.last = (day, balance)


def find_new(feeds: list[Feed], today: date) -> list[Problem]:
    """Fill each feed's `new` and `unchanged`. Lines are counted, so two equal ones on a day stay two."""
    stored = _stored_lines(feeds)
    problems: list[Problem] = []
    for feed in feeds:
        known = stored[feed.stored.pk] if feed.stored else _Stored()
        readable = BALANCES in scope_of(feed.consent)
        for statement in sorted(feed.statements, key=lambda s: s.lines[0].day if s.lines else date.min):
            problems += _gap(statement, known)
            continued = _continues(statement, known)
            told = _told_otherwise(statement, known, continued)
            seen: dict[str, int] = {}
            stated: set[str] = set()
            fresh: list[tuple[str, Line, str]] = []
            for line in statement.lines:
                if line.day > today:
                    day = line.day.isoformat()
                    problems.append(Problem(line.row, "", day, "date_in_future"))
                    continue
                base = base_key(line)
                if base not in seen:
                    seen[base] = known.count[base] if line.day == continued else 0
                seen[base] += 1
                key = f"{base}-{seen[base]}"
                if key in known.unstated and line.balance is not None and readable:
                    feed.completed.append(known.unstated.pop(key))
                    feed.completed_keys.add(key)
                    feed.new.append((key, line, statement.id))
                elif key in known.waiting and line.balance is not None and readable:
                    stated.add(key)
                    fresh.append((key, line, statement.id))
                elif key in known.keys or line.day in told:
                    feed.unchanged += 1
                else:
                    fresh.append((key, line, statement.id))
            for key, line, statement_id in fresh:
                if key not in stated:
                    known.add(key, line.day, line.amount, line.balance, statement_id)
                    if line.balance is None:
                        known.waiting.add(key)
            if stated:
                # In the order of the statement, with the balances, instead of the report's lines.
                known.waiting -= stated
                feed.unchanged += len(stated)
                feed.new = [new for new in feed.new if new[0] not in stated]
            feed.new += fresh
        if not readable:
            for _key, line, _id in feed.new:
                line.balance = None
    return problems


def _continues(statement: Statement, known: _Stored) -> date | None:
    """The day on which a statement goes on where the stored lines end: equal lines of it are further ones.

    Told by the balance: it opens with what the day's stored lines end with, and not with what they began with.
    """
    if not statement.lines or statement.opening is None or not statement.id or known.last is None:
        return None
    day = statement.lines[0].day
    if statement.id in known.statements or known.last[0] != day or day not in known.days:
        return None
    first, last = known.days[day]
    return day if statement.opening == last and first != last else None


def _told_otherwise(statement: Statement, known: _Stored, continued: date | None) -> set[date]:
    """Days that are stored from another kind of file, which words its lines otherwise (MT940 beside CAMT).

    As many lines from the same balance to the same other one; a day that comes back to where it began may be another.
    """
    found: dict[date, list[Line]] = defaultdict(list)
    for line in statement.lines:
        found[line.day].append(line)
    told = set()
    for day, lines in found.items():
        if day == continued or day not in known.days or known.lines_on[day] != len(lines):
            continue
        first, last = lines[0], lines[-1]
        if first.balance is None or last.balance is None:
            continue
        ends = [first.balance - first.amount, last.balance]
        if ends == known.days[day] and ends[0] != ends[1]:
            told.add(day)
    return told


def _gap(statement: Statement, known: _Stored) -> list[Problem]:
    """A warning when the statement opens with another balance than the last stored line left."""
    if statement.opening is None or known.last is None or not statement.lines:
        return []
    day, balance = known.last
    if balance is None or statement.lines[0].day <= day or statement.opening == balance:
        return []
    params = {
        "stored": plain(balance, statement.currency),
        "day": day.isoformat(),
        "opening": plain(statement.opening, statement.currency),
    }
    return [
        Problem(statement.row, "", statement.id or statement.account, "gap_before_statement", params, WARNING)
    ]


def _stored_lines(feeds: list[Feed]) -> dict[int, _Stored]:
    found: dict[int, _Stored] = defaultdict(_Stored)
    accounts = [feed.stored.pk for feed in feeds if feed.stored]
    first, last = days_of(s for feed in feeds for s in feed.statements)
    if not accounts or first is None:
        return found
    for start in range(0, len(accounts), CHUNK):
        rows = BankTransaction.objects.filter(
            bank_account__in=accounts[start : start + CHUNK],
            superseded_at__isnull=True,
            effective_on__lte=last,
        ).order_by("bank_account", "effective_on", "pk")
        for line, pk, key, day, amount, balance, statement in rows.values_list(
            "pk", "bank_account", "key", "effective_on", "amount", "balance", "statement"
        ).iterator(chunk_size=5000):
            found[pk].add(key, day, amount, balance, statement)
            if balance is None:
                found[pk].unstated[key] = line
    return found
