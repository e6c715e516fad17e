"""CAMT.052 and CAMT.053 (ISO 20022): whatever version and namespace, read by the names of the elements.

Entries are taken as the bank booked them: a batch of many payments is one line. Rows in findings count the entries
of the file from 1. CAMT.054 is refused: what it notifies stands in the statement again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import iterparse
from django.utils.translation import gettext_lazy as _

from creditdesk.core.money import to_minor
from customers.bank.lines import Category, Line, Statement, fingerprint, says_rejected
from customers.imports.problems import WARNING, ImportRefused, Problem

# Sub-families of bank transaction codes that mean a payment came back: unpaid and reversed direct debits, cheques.
RETURNED = {"UPDD", "UPCQ", "UPCT", "RPCR", "PRDD", "RRTN", "URCQ", "URDD", "DDFU"}
OPENING, CLOSING = ("OPBD", "PRCD"), "CLBD"
READ = (*OPENING, CLOSING)
MAX_MINOR = 10**15
DEEPEST = 60
"""Levels of elements; a statement has about fifteen."""
LARGEST = 1_000_000
"""Elements of one entry: a booking of twenty thousand payments has them, with fifty of each payment."""
MOST_BALANCES = 100
"""Of one statement; it has two or three of the kinds that are read."""


class _Unreadable(Exception):
    def __init__(self, place: str, text: str, code: str, **params: Any) -> None:
        super().__init__(code)
        self.place, self.text, self.code, self.params = place, text[:200], code, params


def _name(element: Element) -> str:
    return str(element.tag).rpartition("}")[2]


def _children(element: Element | None, name: str) -> Iterator[Element]:
    for child in element if element is not None else ():
        if _name(child) == name:
            yield child


def _find(element: Element | None, *path: str) -> Element | None:
    for name in path:
        element = next(_children(element, name), None)
        if element is None:
            return None
    return element


def _text(element: Element | None, *path: str) -> str:
    found = _find(element, *path)
    return (found.text or "").strip() if found is not None else ""


def _deep(element: Element, name: str) -> Iterator[Element]:
    return (one for one in element.iter() if _name(one) == name)


def read_camt(path: Path) -> tuple[list[Statement], list[Problem], int]:
    """Statements, problems and the number of entries. Raises ImportRefused for what is no bank statement.

    Entry by entry: of a file of any size only the lines are held, never its tree.
    """
    reader = _Reader()
    try:
        for event, element in iterparse(path, events=("start", "end"), forbid_dtd=True):
            if event == "start":
                reader.begin(element)
            else:
                reader.end(element)
    except (ParseError, DefusedXmlException, ValueError, LookupError, OSError) as error:
        raise ImportRefused("bad_xml", error=error) from error
    if not reader.statements and not reader.problems:
        raise ImportRefused("no_statement", format="CAMT.053")
    return reader.statements, reader.problems, reader.entries


class _Reader:
    """Takes the elements of a file as they end; those of a statement are let go once they are read."""

    def __init__(self) -> None:
        self.statements: list[Statement] = []
        self.problems: list[Problem] = []
        self.entries = 0
        self._path: list[Element] = []
        self._open: _Open | None = None
        self._currency = ""
        self._held = 0

    def begin(self, element: Element) -> None:
        if len(self._path) > DEEPEST:
            raise ImportRefused("bad_xml", error=_("its elements lie deeper than in any statement"))
        self._path.append(element)
        self._held += 1
        if self._held > LARGEST:
            raise ImportRefused("bad_xml", error=_("an entry has more elements than any booking"))
        name = _name(element)
        if name == "BkToCstmrDbtCdtNtfctn":
            raise ImportRefused("camt_notification")
        if name in ("Stmt", "Rpt") and self._open is None:
            self._open, self._currency = _Open(self.entries), ""

    def end(self, element: Element) -> None:
        self._path.pop()
        now = self._open
        parent = self._path[-1] if self._path else None
        if now is None:
            self._let_go(parent)
            return
        name = _name(element)
        if name == "Amt" and not self._currency:
            self._currency = element.get("Ccy", "")
        if name in ("Stmt", "Rpt"):
            self._close(now)
        elif parent is not None and _name(parent) in ("Stmt", "Rpt"):
            self._part(now, name, element)
        else:
            return
        self._let_go(parent)

    def _let_go(self, parent: Element | None) -> None:
        """What lies in it was read: nothing of it is needed any more."""
        self._held = 0
        if parent is not None:
            parent.clear()

    def _part(self, now: _Open, name: str, element: Element) -> None:
        if name == "Id":
            now.id = _text(element)[:60]
        elif name == "Acct":
            account = _find(element, "Id")
            now.account = _text(account, "IBAN") or _text(account, "Othr", "Id")
            now.currency = _text(element, "Ccy")
        elif name == "Bal":
            if len(now.balances) < MOST_BALANCES and _kind(element) in READ:
                now.balances.append(element)
        elif name == "Ntry":
            self.entries += 1
            self._entry(now, element)

    def _entry(self, now: _Open, element: Element) -> None:
        currency = now.currency or self._currency
        if len(currency) != 3 or not currency.isalpha():
            now.without_currency = True
            return
        row = self.entries
        try:
            line = _entry(element, row, currency.upper())
        except _Unreadable as bad:
            now.refused += 1
            now.problems.append(Problem(row, bad.place, bad.text, bad.code, bad.params))
            return
        if line is None:
            status = _text(element, "Sts", "Cd") or _text(element, "Sts")
            now.problems.append(Problem(row, "Ntry/Sts", status, "not_booked", {}, WARNING))
        else:
            now.lines.append(line)

    def _close(self, now: _Open) -> None:
        self._open = None
        row = now.before + 1
        if not now.account:
            self.problems.append(Problem(row, "Acct/Id", "", "no_account"))
            return
        currency = now.currency or self._currency
        if len(currency) != 3 or not currency.isalpha():
            # An empty report without balances says nothing about its currency, nor does it need to.
            if now.without_currency:
                self.problems.append(Problem(row, "Acct/Ccy", currency, "bad_currency"))
            else:
                self.statements.append(Statement(now.account, "", row))
            return
        statement = Statement(now.account, currency.upper(), row, id=now.id)
        statement.lines, statement.refused = now.lines, now.refused
        for balance in now.balances:
            _balance(statement, balance, now.before, self.problems)
        self.problems += now.problems
        self.statements.append(statement)


@dataclass(slots=True)
class _Open:
    """A statement while its elements come in. `before`: entries of the file before it."""

    before: int
    id: str = ""
    account: str = ""
    currency: str = ""
    refused: int = 0
    without_currency: bool = False
    balances: list[Element] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def _kind(balance: Element) -> str:
    return _text(balance, "Tp", "CdOrPrtry", "Cd")


def _balance(statement: Statement, element: Element, before: int, problems: list[Problem]) -> None:
    kind = _kind(element)
    try:
        amount = _amount(element, "Bal", statement.currency)
        day = _day(element, "Dt")
    except _Unreadable as bad:
        problems.append(Problem(before + 1, bad.place, bad.text, bad.code, bad.params, WARNING))
        return
    if kind == CLOSING:
        statement.closing, statement.last_day = amount, day
    elif statement.opening is None or kind == OPENING[0]:
        statement.opening, statement.first_day = amount, day


def _amount(element: Element, place: str, currency: str) -> int:
    found = _find(element, "Amt")
    text = (found.text or "").strip() if found is not None else ""
    try:
        value = Decimal(text)
        if not value.is_finite():
            raise InvalidOperation
    except InvalidOperation:
        raise _Unreadable(f"{place}/Amt", text, "bad_number", example="1234.56") from None
    stated = (found.get("Ccy") or currency).upper() if found is not None else currency
    if stated != currency:
        raise _Unreadable(f"{place}/Amt", stated, "currency_of_account", currency=currency)
    try:
        minor = to_minor(value, currency)
    except ValueError:
        from creditdesk.core.money import exponent

        raise _Unreadable(
            f"{place}/Amt", text, "too_many_decimals", currency=currency, decimals=exponent(currency)
        ) from None
    if abs(minor) > MAX_MINOR:
        raise _Unreadable(f"{place}/Amt", text, "number_too_large")
    side = _text(element, "CdtDbtInd")
    if side not in ("CRDT", "DBIT"):
        raise _Unreadable(f"{place}/CdtDbtInd", side, "unknown_value", known="CRDT, DBIT")
    return -minor if side == "DBIT" else minor


def _day(element: Element, *names: str) -> date | None:
    for name in names:
        at = _find(element, name)
        text = _text(at, "Dt") or _text(at, "DtTm") or (at.text or "" if at is not None else "").strip()
        if not text:
            continue
        try:
            return date.fromisoformat(text[:10])
        except ValueError:
            raise _Unreadable(f"{_name(element)}/{name}", text, "bad_date", formats="YYYY-MM-DD") from None
    return None


def _entry(entry: Element, row: int, currency: str) -> Line | None:
    """A booked entry; None while it is only pending or for information."""
    status = _text(entry, "Sts", "Cd") or _text(entry, "Sts")
    if status not in ("BOOK", ""):
        return None
    amount = _amount(entry, "Ntry", currency)
    day = _day(entry, "BookgDt", "ValDt")
    if day is None:
        raise _Unreadable("Ntry/BookgDt", "", "missing_value")
    details = list(_deep(entry, "TxDtls"))
    text = " ".join(
        (one.text or "").strip()
        for name in ("AddtlNtryInf", "AddtlTxInf", "Ustrd", "EndToEndId", "TxId", "NtryRef")
        for one in _deep(entry, name)
    )
    returned = _is_returned(entry) or says_rejected(text)
    return Line(
        row=row,
        day=day,
        amount=amount,
        category=Category.RETURNED if returned else _category(entry),
        is_rejected=returned,
        counterparty=fingerprint(_party(details, amount)),
        reference=_text(entry, "AcctSvcrRef"),
        text=text,
    )


def _is_returned(entry: Element) -> bool:
    codes = {_text(one) for one in _deep(entry, "SubFmlyCd")}
    return bool(
        any(True for _one in _deep(entry, "RtrInf"))
        or _text(entry, "RvslInd").lower() in ("true", "1")
        or codes & RETURNED
    )


def _category(entry: Element) -> str:
    domain = _find(entry, "BkTxCd", "Domn")
    family, sub = _text(domain, "Fmly", "Cd"), _text(domain, "Fmly", "SubFmlyCd")
    if family in ("RDDT", "IDDT"):
        return Category.DIRECT_DEBIT
    if family in ("RCHQ", "ICHQ", "DRFT", "LOCT"):
        return Category.CHEQUE
    if family in ("CCRD", "MCRD"):
        return Category.CASH if sub == "CWDL" else Category.CARD
    if family == "CNTR":
        return Category.CASH
    if sub in ("CHRG", "COMM", "FEES") or (_text(domain, "Cd") == "ACMT" and family == "MDOP"):
        return Category.FEE
    if sub == "INTR":
        return Category.INTEREST
    return Category.TRANSFER if family in ("RCDT", "ICDT", "RRCT", "IRCT") else ""


def _party(details: list[Element], amount: int) -> str:
    """Who is on the other side, by account number or else by name; empty for a batch of several."""
    found = set()
    side = "Dbtr" if amount > 0 else "Cdtr"
    for detail in details:
        parties = _find(detail, "RltdPties")
        account = _find(parties, f"{side}Acct", "Id")
        number = _text(account, "IBAN") or _text(account, "Othr", "Id")
        party = _find(parties, side)
        found.add(number or _text(party, "Nm") or _text(party, "Pty", "Nm"))
    return found.pop() if len(found) == 1 else ""
