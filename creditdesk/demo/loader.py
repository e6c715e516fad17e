"""Loads the story into an empty database, whole or not at all, and rebuilds a demo database on request."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from random import Random

from django.conf import settings
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.db import OperationalError, connection, transaction
from django.utils import timezone

from creditdesk.core.audit import Actor, record_act
from creditdesk.core.models import User
from customers.models import Company, Customer, Source

from .agencies import write_agencies
from .book import Book, Writer, reset_sequences
from .bulk import without_indexes
from .cast import (
    COMPANIES,
    TERRITORIES,
    collectors_of,
    create_people,
    give_access,
    give_authority,
    logins,
    write_companies,
)
from .characters import CHARACTERS, tell_characters
from .days import iso, month_end, month_start, previous_business_day
from .models import DemoLoad
from .ordinary import tell_ordinary
from .papers import World
from .sending import Sending, sending_of
from .teller import Teller

SEED = 20261
CHUNK_ROWS = 400_000
# From this size on PostgreSQL, indexes are built after the rows.
BULK_FROM = 5000
MONTHS = 24

Progress = Callable[[str], None]


class DemoRefused(RuntimeError):
    """The story may not be loaded here; the text says why and what to do instead."""


@dataclass(frozen=True)
class Loaded:
    """What a load found or made. `created` False: the same story was there already."""

    load: DemoLoad
    created: bool


def load_story(
    as_of: date,
    customers: int = 600,
    *,
    seed: int = SEED,
    progress: Progress = lambda _text: None,
    recorded_at: datetime | None = None,
) -> Loaded:
    """Load the story as of a business date. Doing it again changes nothing.

    Raises DemoRefused on a database with other data, in production, or holding another story.
    """
    if settings.PRODUCTION:
        raise DemoRefused("Demo data has logins with a known password: it is never loaded in production.")
    if customers < len(CHARACTERS):
        raise DemoRefused(f"The story needs at least {len(CHARACTERS)} customers: ask for more.")
    existing = DemoLoad.objects.order_by("-pk").first()
    if existing:
        if (existing.as_of, existing.customers, existing.seed) == (as_of, customers, seed):
            return Loaded(existing, False)
        raise DemoRefused(
            f"This database holds the demo of {existing.customers} customers as of {existing.as_of}: "
            f"add --reset to rebuild it, or ask for that one (--as-of {existing.as_of} "
            f"--customers {existing.customers})."
        )
    _refuse_unless_empty(customers)
    with transaction.atomic():
        users = create_people(customers)
        writer = Writer(recorded_at or timezone.now(), users, after={"customers.Company": give_authority})
        book = Book()
        fast = connection.vendor == "postgresql" and customers >= BULK_FROM
        with without_indexes(book, progress) if fast else nullcontext():
            write_story(as_of, customers, seed, writer.write, progress, book)
        reset_sequences(book.tables)
        give_access(users, customers)
        write_agencies(as_of)
        load = DemoLoad.objects.create(
            seed=seed, as_of=as_of, customers=customers, digest=book.digest, counts=book.counts()
        )
        record_act(
            "demo.load",
            actor=Actor.job("load_demo"),
            subject=load,
            business_date=as_of,
            data={"digest": load.digest, "counts": load.counts},
        )
    _analyze()
    return Loaded(load, True)


def _refuse_unless_empty(customers: int) -> None:
    for model in (Company, Customer, Source):
        if model.objects.exists():
            raise DemoRefused(
                "This database holds data that is no demo: nothing was changed. Point SQLITE_FILE or "
                "DATABASE_URL at an empty database for the demo."
            )
    taken = User.objects.filter(username__in=logins(customers)).values_list("username", flat=True)
    if taken:
        raise DemoRefused(
            f"The users {', '.join(sorted(taken))} exist already: the demo needs these names for itself. "
            "Use an empty database."
        )


def write_story(
    as_of: date,
    customers: int,
    seed: int,
    write: Callable,
    progress: Progress = lambda _text: None,
    book: Book | None = None,
) -> Book:
    """Make every row of the story and hand them to `write(table, rows)` in chunks. Touches no clock, no database."""
    book = book or Book()
    world = _world(book, as_of, seed)
    write_companies(book)
    _write_batches(world)
    teller = Teller(world, {})
    collectors = {code: collectors_of(code, customers) for code in TERRITORIES}
    tell_characters(teller, seed)
    step = max(customers // 20, 1)
    for index in range(len(CHARACTERS) + 1, customers + 1):
        tell_ordinary(teller, seed, index, collectors)
        if book.pending() >= CHUNK_ROWS:
            _flush(book, write)
        if index % step == 0:
            progress(f"{index:,} of {customers:,} customers")
    _flush(book, write)
    return book


def _flush(book: Book, write: Callable) -> None:
    for table, rows in book.take():
        write(table, rows)


def _world(book: Book, as_of: date, seed: int) -> World:
    today = as_of.toordinal()
    complete = min(previous_business_day(today, company.country) for company in COMPANIES)
    start = month_start(today, MONTHS)
    rates = _write_rates(book, seed, start, today)

    @cache
    def rate(base: str, quote: str, day: int) -> Decimal:
        """As customers.rates: direct, inverse, or across the euro."""
        week = max(on for on in rates if on <= day)

        def leg(a: str, b: str) -> Decimal:
            if a == b:
                return Decimal(1)
            return rates[week][b] if a == "EUR" else 1 / rates[week][a]

        return leg(base, "EUR") * leg("EUR", quote) if "EUR" not in (base, quote) else leg(base, quote)

    first_month = start

    def batch_of(company: int, day: int) -> int | None:
        """Batches are monthly per company, in the order in which they were added."""
        month = _months_between(first_month, min(day, complete))
        return month * len(COMPANIES) + company

    def sending(account: int) -> Sending:
        return sending_of(seed, account, start, complete)

    return World(book, today, complete, start, batch_of, rate, sending)


@cache
def _months_between(first: int, day: int) -> int:
    a, b = date.fromordinal(first), date.fromordinal(day)
    return max((b.year - a.year) * 12 + b.month - a.month, 0)


def _write_rates(book: Book, seed: int, start: int, today: int) -> dict[int, dict[str, Decimal]]:
    """Weekly rates around plausible levels, marked source "demo"."""
    rng = Random(f"{seed}:rates")  # noqa: S311
    levels = {"GBP": (0.86, 5), "USD": (1.09, 4), "JPY": (161.0, 2)}
    moved = dict.fromkeys(levels, 0.0)
    rates: dict[int, dict[str, Decimal]] = {}
    for day in range(start - 7, today + 1, 7):
        rates[day] = {}
        for quote, (level, places) in levels.items():
            moved[quote] = moved[quote] * 0.96 + rng.gauss(0, 0.006)
            rates[day][quote] = Decimal(f"{level * (1 + moved[quote]):.{places}f}")
            book["ExchangeRate"].add("EUR", quote, iso(day), str(rates[day][quote]), "demo")
    return rates


def _write_batches(world: World) -> None:
    last = _months_between(world.start, world.complete)
    for month in range(last + 1):
        first = month_start(world.complete, last - month)
        through = min(month_end(first), world.complete)
        for company in COMPANIES:
            newest = (month, company) == (last, COMPANIES[0])
            pk = world.book["ImportBatch"].add(
                company.id,
                None,
                f"{company.code}_{iso(through)}.csv",
                "",
                "committed",
                iso(through),
                None,
                None,
                None,
                json.dumps({"rows": 41, "refused": 3, "header": REFUSED_HEADER} if newest else {}),
            )
            if newest:
                _write_refused(world, pk)
            if world.batch_of(company.id, first) != pk:
                raise AssertionError("batches are numbered by month and company")


REFUSED_HEADER = ["customer", "number", "issued", "due", "currency", "amount"]


def _write_refused(world: World, batch: int) -> None:
    """What the newest import refused: rows somebody has to mend in the source."""
    day = iso(world.complete)
    rows = (
        (14, "due", "2026-11-31", "bad_date", {"formats": "YYYY-MM-DD"}, "refused", 3),
        (22, "amount", "1.240,5O", "bad_number", {"example": "1234.56"}, "refused", 5),
        (37, "due", iso(world.complete - 30), "due_before_issue", {"issued_on": day}, "refused", 3),
    )
    for number, column, value, code, params, severity, place in rows:
        cells = [f"IT{10000 + number}", f"F{day}/{number}", day, iso(world.complete + 30), "EUR", "1240.50"]
        cells[place] = value
        world.book["RefusedRow"].add(
            batch,
            number,
            column,
            value,
            code,
            json.dumps(params),
            severity,
            json.dumps(cells),
        )


def _analyze() -> None:
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def reset_demo() -> None:
    """Empty a demo database (and only one marked as such): a new SQLite file, or TRUNCATE on PostgreSQL.

    The guards forbid deleting facts, so nothing is deleted row by row. Raises DemoRefused without the mark.
    """
    if settings.PRODUCTION:
        raise DemoRefused("Nothing is ever reset in production.")
    if not is_demo():
        raise DemoRefused("Only a demo database can be reset, and this one is not marked as demo.")
    if connection.vendor == "sqlite":
        path = Path(str(connection.settings_dict["NAME"]))
        connection.close()
        for suffix in ("", "-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        call_command("migrate", verbosity=0)
        return
    _empty_postgres()


def is_demo() -> bool:
    tables = connection.introspection.table_names()
    return DemoLoad._meta.db_table in tables and DemoLoad.objects.exists()


def _empty_postgres() -> None:
    """TRUNCATE everything but the list of applied migrations; migrate then puts back what it provides."""
    with transaction.atomic(), connection.cursor() as cursor:
        # A server or worker that is still running holds locks: better a clear refusal than waiting for ever.
        cursor.execute("SET LOCAL lock_timeout = '10s'")
        tables = [t for t in connection.introspection.table_names(cursor) if t != "django_migrations"]
        quoted = ", ".join(connection.ops.quote_name(table) for table in tables)
        try:
            cursor.execute(f"TRUNCATE {quoted} RESTART IDENTITY CASCADE")
        except OperationalError as error:
            raise DemoRefused(
                "Something else uses this database: stop the site and its workers first."
            ) from error
    ContentType.objects.clear_cache()
    call_command("migrate", verbosity=0)
