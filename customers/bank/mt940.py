"""MT940 and MT942 (SWIFT statement text), read leniently: banks differ, and a broken line costs only itself.

Own parser: the libraries at hand refuse a whole file for one odd line, or read it and lose the reason. Rows in
findings are line numbers of the file. Format: SWIFT MT940, field 61 `YYMMDD[MMDD](R)(C|D)[funds]amount(type)ref`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from creditdesk.core.money import exponent, to_minor
from customers.bank.lines import Category, Line, Statement, fingerprint, says_rejected
from customers.imports.problems import WARNING, ImportRefused, Problem

_TAG = re.compile(r":(\d{2}[A-Z]?|NS):(.*)", re.DOTALL)
_BALANCE = re.compile(r"([CD])(\d{6})([A-Z]{3})([\d.]*,?\d*)")
_LINE = re.compile(
    r"(?P<value>\d{6})(?P<entry>\d{4})?(?P<reversal>[RE]?)(?P<side>[CD])(?P<funds>[A-Z])?"
    r"(?P<amount>[\d.]+,?\d*)\s?(?P<type>[A-Z][A-Z0-9 ]{3})?(?P<rest>.*)",
    re.DOTALL,
)
# Field 86 of German, Polish, Austrian ... banks: a code of three digits, then parts of two digits each behind one sign.
_GVC = re.compile(r"\s?(\d{3})\s?([^\w\s/.,:;+()-])(?=\d{2})")
# Field 86 of Dutch, Belgian and other banks: words between slashes, each with what it names behind it.
_WORD = re.compile(
    r"/(NAME|RTRN|IBAN|CNTP|ORDP|BENM|REMI|EREF|TRTP|BIC|CSID|MARF|PREF|ISDT|PURP|ULTD|ULTC)(?=/)"
)
UTF_16 = (b"\xff\xfe", b"\xfe\xff")
LONGEST = 4000
"""Characters of one field: a file without tags is no field, and is not kept as one."""
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}[A-Z0-9]{11,30}\b")
# German business transaction codes: returned direct debits, cheques and transfers.
_RETURNED_CODES = {"108", "109", "159", "181", "184", "008R"}
_BY_CODE = {
    **dict.fromkeys(["104", "105", "106", "107", "004", "005", "171", "174"], Category.DIRECT_DEBIT),
    **dict.fromkeys(
        ["116", "117", "118", "119", "152", "153", "166", "167", "168", "177"], Category.TRANSFER
    ),
    **dict.fromkeys(["020", "051", "052", "053", "054", "056", "008"], Category.TRANSFER),
    **dict.fromkeys(["082", "083"], Category.CASH),
    **dict.fromkeys(["101", "102", "103", "001", "002", "003", "070"], Category.CHEQUE),
    **dict.fromkeys(["805", "808", "809"], Category.FEE),
    **dict.fromkeys(["814", "815", "816"], Category.INTEREST),
}
_BY_TYPE = {
    "CHK": Category.CHEQUE,
    "DDT": Category.DIRECT_DEBIT,
    "TRF": Category.TRANSFER,
    "STO": Category.TRANSFER,
    "CHG": Category.FEE,
    "COM": Category.FEE,
    "INT": Category.INTEREST,
    "LDP": Category.LOAN,
    "RTI": Category.RETURNED,
}


@dataclass(slots=True)
class _Field:
    tag: str
    row: int
    text: str


@dataclass(slots=True)
class _Open:
    """A statement while its fields come in."""

    row: int
    reference: str = ""
    account: str = ""
    number: str = ""
    currency: str = ""
    statement: Statement = field(default_factory=lambda: Statement("", ""))
    # Bookings before a balance named the currency, with their amounts as the file writes them.
    amounts: list[tuple[_Field, Line, str, bool]] = field(default_factory=list)


def decode(raw: bytes) -> str:
    """UTF-8 or UTF-16 where it is, the old western encoding of banks where it is neither."""
    try:
        return raw.decode("utf-16" if raw.startswith(UTF_16) else "utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("cp1252", errors="replace")


def _encoding_of(path: Path) -> str:
    """How to read a file of any size: as `decode` would the whole of it."""
    with path.open("rb") as file:
        if file.read(2) in UTF_16:
            return "utf-16"
    try:
        with path.open(encoding="utf-8-sig", newline="") as text:
            while text.read(1 << 16):
                pass
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8-sig"


def _fields(lines: Iterable[str]) -> Iterator[_Field]:
    """Tagged fields with what follows on untagged lines; SWIFT envelopes and page marks are left out."""
    current: _Field | None = None
    for row, line in enumerate(lines, 1):
        line = line.rstrip("\r\n")
        found = _TAG.match(line)
        if found:
            if current:
                yield current
            current = _Field(found[1], row, found[2])
        elif line.startswith(("{", "-}")) or line.strip() in ("-", "--"):
            if current:
                yield current
            current = None
        elif current is not None and len(current.text) < LONGEST:
            current.text += "\n" + line
    if current:
        yield current


def read_mt940(path: Path) -> tuple[list[Statement], list[Problem], int]:
    """Statements, problems and the number of bookings. Raises ImportRefused for what is no such file."""
    reader = _Reader()
    try:
        with path.open(encoding=_encoding_of(path), errors="replace") as file:
            for one in _fields(file):
                reader.take(one)
    except OSError as error:
        raise ImportRefused("unreadable", error=error.strerror or error) from error
    except UnicodeError as error:
        raise ImportRefused("unreadable", error=error) from error
    reader.close()
    if not reader.statements and not reader.problems:
        raise ImportRefused("no_statement", format="MT940")
    return reader.statements, reader.problems, reader.bookings


class _Reader:
    def __init__(self) -> None:
        self.statements: list[Statement] = []
        self.problems: list[Problem] = []
        self.bookings = 0
        self.open: _Open | None = None

    def take(self, one: _Field) -> None:
        if one.tag == "20" or self.open is None:
            self.close()
            self.open = _Open(one.row, reference=one.text.strip() if one.tag == "20" else "")
        now, text = self.open, one.text.strip()
        if one.tag == "25":
            now.account = text.splitlines()[0].strip() if text else ""
        elif one.tag in ("28", "28C"):
            now.number = text
        elif one.tag in ("60F", "60M"):
            now.statement.opening, now.statement.first_day = self._balance(one, now)
        elif one.tag in ("62F", "62M"):
            now.statement.closing, now.statement.last_day = self._balance(one, now)
        elif one.tag == "34F" and not now.currency and re.match(r"[A-Z]{3}", text):
            now.currency = text[:3]
        elif one.tag == "61":
            self._booking(one, now)
        elif one.tag in ("86", "NS") and now.statement.lines and now.statement.closing is None:
            self._about(now.statement.lines[-1], text)

    def _balance(self, one: _Field, now: _Open) -> tuple[int | None, date | None]:
        found = _BALANCE.match(one.text.strip())
        if not found or not any(c.isdigit() for c in found[4]):
            self._warn(one, "bad_number", example="C261122EUR1234,56")
            return None, None
        now.currency = found[3]
        amount = self._minor(one, found[4], found[3])
        if amount is None:
            return None, None
        return (-amount if found[1] == "D" else amount), _swift_day(found[2])

    def _minor(self, one: _Field, text: str, currency: str, severity: str = WARNING) -> int | None:
        value = Decimal(text.replace(".", "").replace(",", ".").rstrip(".") or "0")
        try:
            minor = to_minor(value, currency)
        except ValueError:
            params = {"currency": currency, "decimals": exponent(currency)}
            self.problems.append(
                Problem(one.row, f":{one.tag}:", text, "too_many_decimals", params, severity)
            )
            return None
        if minor > 10**15:
            self.problems.append(Problem(one.row, f":{one.tag}:", text, "number_too_large", {}, severity))
            return None
        return minor

    def _warn(self, one: _Field, code: str, **params: Any) -> None:
        shown = one.text.strip()[:80]
        self.problems.append(Problem(one.row, f":{one.tag}:", shown, code, params, WARNING))

    def _refuse(self, one: _Field, now: _Open, code: str, **params: Any) -> None:
        now.statement.refused += 1
        self.problems.append(Problem(one.row, ":61:", one.text.strip()[:80], code, params))

    def _booking(self, one: _Field, now: _Open) -> None:
        self.bookings += 1
        first, _sep, more = one.text.strip().partition("\n")
        found = _LINE.match(first)
        if not found:
            self._refuse(one, now, "bad_swift_line")
            return
        day = _booking_day(found["value"], found["entry"])
        if day is None:
            self._refuse(one, now, "bad_date", formats="YYMMDD")
            return
        # A reversed credit takes money away, a reversed debit brings it back.
        credit = (found["side"] == "C") != (found["reversal"] == "R")
        reversed_ = found["reversal"] == "R"
        kind = (found["type"] or "")[1:].strip()
        own, _slashes, bank = found["rest"].partition("//")
        returned = reversed_ or kind == "RTI" or kind in _RETURNED_CODES or says_rejected(more)
        line = Line(
            row=one.row,
            day=day,
            amount=0,
            category=Category.RETURNED if returned else _BY_TYPE.get(kind, _BY_CODE.get(kind, "")),
            is_rejected=returned,
            reference=bank.strip(),
            text=f"{own.strip()} {more}",
        )
        if not now.currency:
            # Without an opening balance the closing one says how many decimals the currency has.
            now.amounts.append((one, line, found["amount"], credit))
        elif not self._converted(one, line, found["amount"], credit, now):
            return
        now.statement.lines.append(line)

    def _converted(self, one: _Field, line: Line, text: str, credit: bool, now: _Open) -> bool:
        amount = self._minor(one, text, now.currency, "refused")
        if amount is None:
            now.statement.refused += 1
            return False
        line.amount = amount if credit else -amount
        return True

    def _about(self, line: Line, text: str) -> None:
        """Field 86: who and what for. Parts such as ?31 hold account and name, /NAME/ does; else any IBAN in it will do."""
        joined = text.replace("\n", "")
        code = _GVC.match(joined)
        if code:
            if code[1] in _RETURNED_CODES:
                line.is_rejected, line.category = True, Category.RETURNED
            elif not line.category:
                line.category = _BY_CODE.get(code[1], "")
        pieces = re.split(re.escape(code[2]) + r"(\d{2})", joined) if code else []
        parts: dict[str, str] = {}
        for tag, piece in zip(pieces[1::2], pieces[2::2], strict=False):
            parts[tag] = parts.get(tag, "") + piece
        spoken = (
            " ".join([parts.get("00", ""), *(v for k, v in parts.items() if "20" <= k <= "29")]) or joined
        )
        words = _words(joined)
        if "RTRN" in words or says_rejected(spoken) or says_rejected(text.replace("\n", " ")):
            line.is_rejected, line.category = True, Category.RETURNED
        iban = _IBAN.search(parts.get("31", "") or parts.get("38", "") or joined)
        name = (parts.get("32", "") + parts.get("33", "")).strip() or words.get("NAME", "")
        other = iban[0] if iban else parts.get("31", "").strip() or name
        if other:
            line.counterparty = fingerprint(other)
        line.text = f"{line.text} {joined}"

    def close(self) -> None:
        """The statement is whole."""
        now, self.open = self.open, None
        if now is None:
            return
        statement = now.statement
        if not now.account:
            if statement.lines or statement.opening is not None:
                self.problems.append(Problem(now.row, ":25:", "", "no_account"))
            return
        if not now.currency:
            if statement.lines:
                self.problems.append(Problem(now.row, ":60F:", "", "bad_currency"))
            return
        refused = {id(late[1]) for late in now.amounts if not self._converted(*late, now)}
        if refused:
            statement.lines = [line for line in statement.lines if id(line) not in refused]
        statement.account, statement.currency, statement.row = now.account, now.currency, now.row
        day = statement.last_day or (statement.lines[-1].day if statement.lines else None)
        statement.id = " ".join(filter(None, [now.reference, now.number, day.isoformat() if day else ""]))[
            :60
        ]
        self.statements.append(statement)


def _words(text: str) -> dict[str, str]:
    """{word: what stands behind it} of a field 86 between slashes; of a word that stands twice, the first."""
    pieces = _WORD.split(text)
    found: dict[str, str] = {}
    for word, said in zip(pieces[1::2], pieces[2::2], strict=False):
        found.setdefault(word, said.strip("/ "))
    return found


def _swift_day(text: str) -> date | None:
    year, month, day = int(text[:2]), int(text[2:4]), int(text[4:6])
    try:
        return date(1900 + year if year >= 80 else 2000 + year, month, day)
    except ValueError:
        return None


def _booking_day(value: str, entry: str | None) -> date | None:
    """The entry day (MMDD) in the year nearest to the value day; the value day where there is no other."""
    day = _swift_day(value)
    if not entry:
        return day
    year = 1900 + int(value[:2]) if int(value[:2]) >= 80 else 2000 + int(value[:2])
    candidates = []
    for one in (year - 1, year, year + 1) if day else (year,):
        try:
            candidates.append(date(one, int(entry[:2]), int(entry[2:])))
        except ValueError:
            continue
    if not candidates:
        return day
    return min(candidates, key=lambda c: abs((c - day).days)) if day else candidates[0]
