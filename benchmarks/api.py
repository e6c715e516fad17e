"""The API on a real server over a big book: decisions at a steady rate, what the framework costs, one limit for all.

Decisions: requests leave at their appointed time whether or not earlier ones were answered, and wait counts from that
time. The ratio: the same request through the API's view and through a plain Django view that calls the same
functions (the same statements), and through one that sends the captured SELECTs as plain SQL and answers their rows;
in process, interleaved, medians. Reservations: so many at once, each on a connection of its own, against one limit.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from statistics import median
from typing import Any

from django.core.management import call_command
from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection, transaction
from django.db.models import Sum
from django.http import HttpRequest, HttpResponse
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext
from django.urls import include, path
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from benchmarks.book import Book
from creditdesk.api.authentication import _has
from creditdesk.api.endpoints.decisions import DecisionsEndpoint, answer_of
from creditdesk.api.idempotency import _take
from creditdesk.api.keys import key_of, make_key
from creditdesk.api.models import ApiRequest, IdempotentAnswer
from creditdesk.api.scopes import SCOPES
from creditdesk.api.throttling import _COUNT
from creditdesk.core.audit import Actor
from creditdesk.core.clock import business_date
from creditdesk.core.models import User
from creditdesk.core.money import Money
from customers.access import account_scope
from customers.checks import CheckRequest, ask_check
from customers.models import (
    CheckPoint,
    CreditAccount,
    CreditLimit,
    Customer,
    LimitChange,
    Reservation,
)
from scoring.book_figures import store_book_figures
from scoring.decisions import decide
from scoring.engine import rescore
from scoring.ranges import account_ranges
from scoring.statement import Scope

NEEDS = "postgresql"
PORT = 8467
ROOT = Path(__file__).resolve().parent.parent
ACTOR = Actor.job("benchmark")
Say = Callable[[str], None]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--api-accounts", type=int, default=100_000)
    parser.add_argument("--api-invoices", type=int, default=20, help="per account")
    parser.add_argument("--api-rate", type=int, default=20, help="decisions a second")
    parser.add_argument("--api-seconds", type=int, default=30)
    parser.add_argument("--api-times", type=int, default=40, help="requests of each kind for the ratio")
    parser.add_argument("--api-reservations", type=int, default=500)


def run(options: argparse.Namespace, fresh: Callable[[], None], say: Say) -> None:
    fresh()
    book = Book(options.api_accounts, options.api_invoices)
    started = time.perf_counter()
    book.build()
    for low, high in account_ranges():
        rescore(book.as_of, Scope.between(low, high))
    store_book_figures(book.as_of)
    shared = _shop_on_one_limit()
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    say(f"  {options.api_accounts:,} accounts scored in {time.perf_counter() - started:.0f} s")
    token = _token()
    with override_settings(BUSINESS_DATE=book.as_of):
        _framework(options, token, say)
        server = _serve(book.as_of.isoformat())
        try:
            _decisions(options, token, say)
            _reservations(options, token, shared, say)
        finally:
            server.terminate()
            server.wait(timeout=20)


def _shop_on_one_limit() -> CreditAccount:
    with connection.cursor() as cursor:
        # The book was written with ids of its own.
        cursor.execute(
            "SELECT setval(pg_get_serial_sequence('customers_customer', 'id'), (SELECT max(id) FROM customers_customer))"
        )
    customer = Customer.objects.create(code="SHARED", name="One limit for all")
    account = CreditAccount.objects.create(customer=customer, segment_id=1, company_id=1, currency="EUR")
    on = Book(1).as_of - timedelta(days=30)
    amounts = {"currency": "EUR", "valid_from": on}
    change = LimitChange.objects.create(
        account=account,
        new_amount=Money.of(100_000, "EUR"),
        as_of=on,
        reason_code="opening_limit",
        proposer_kind="import",
        proposer_name="benchmark",
        status="applied",
        is_automatic=True,
        decided_at=timezone.now(),
        **amounts,
    )
    CreditLimit.objects.create(
        account=account, kind="base", amount=Money.of(100_000, "EUR"), change=change, **amounts
    )
    return account


def _token() -> str:
    call_command("add_user", "till", role=["integration"], company=["bench"], no_password=True, verbosity=0)
    user = User.objects.get(username="till")
    return make_key(user, "benchmark", SCOPES, now=timezone.now(), actor=ACTOR, per_minute=1_000_000)[1]


def _headers(token: str) -> dict[str, str]:
    return {
        "Authorization": f"Bearer {token}",
        "Idempotency-Key": str(uuid.uuid4()),
        "Content-Type": "application/json",
    }


def _asked(number: int, accounts: int) -> dict[str, Any]:
    """Another customer each time, all over the book."""
    code = number * 7919 % accounts + 1
    return {"customer": f"B-{code}", "amount": {"amount": "5000.00", "currency": "EUR"}, "terms_days": 30}


# --- what the framework costs ---


@csrf_exempt
def plain(request: HttpRequest) -> HttpResponse:
    """The same work without DRF: the same functions in the same order, no negotiation, serializer or schema."""
    started = time.perf_counter()
    key: Any = key_of(request.headers["Authorization"].removeprefix("Bearer "))
    now = timezone.now()
    minute = int(now.timestamp() // 60)
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, [key.pk, minute, key.pk, minute - 1])
        cursor.fetchone()
    assert _has(key.user, SCOPES["decisions:make"].permission)
    data = json.loads(request.body)
    with transaction.atomic():
        taken = _take(key.user_id, request.headers["Idempotency-Key"], "0" * 64)
        with transaction.atomic():
            account = (
                CreditAccount.objects.filter(
                    account_scope(key.user), joined_into__isnull=True, customer__code=data["customer"]
                )
                .select_related("customer", "company", "segment")
                .order_by("pk")[:2][0]
            )
            amount = Money.of(data["amount"]["amount"], data["amount"]["currency"])
            made = decide(
                account,
                business_date(account.company.time_zone),
                asked_by=ACTOR,
                requested=amount,
                terms_days=data["terms_days"],
            )
            answer = answer_of(DecisionsEndpoint.made(DecisionsEndpoint(), made.pk), key.user)
        body = json.dumps(answer, cls=DjangoJSONEncoder).encode()
        IdempotentAnswer.objects.filter(pk=taken).update(
            status=201, content_type="application/json", body=body
        )
    ApiRequest.objects.create(
        key=key,
        method="POST",
        path=request.path,
        status=201,
        milliseconds=round((time.perf_counter() - started) * 1000),
        address="127.0.0.1",
    )
    return HttpResponse(body, status=201, content_type="application/json")


_statements: list[str] = []


@csrf_exempt
def bare(request: HttpRequest) -> HttpResponse:
    """The SELECTs of one decision as plain SQL, its rows as JSON: the floor of any view on this data."""
    rows: list[Any] = []
    with connection.cursor() as cursor:
        for statement in _statements:
            cursor.execute(statement)
            rows.append(cursor.fetchall())
    return HttpResponse(json.dumps(rows, default=str), status=201, content_type="application/json")


class Addresses:
    urlpatterns = [path("plain", plain), path("bare", bare), path("", include("creditdesk.urls"))]


def _captured(act: Callable[[], Any]) -> list[str]:
    """The statements of one request, read before the next one empties the log."""
    with CaptureQueriesContext(connection) as caught:
        act()
    return [query["sql"] for query in caught]


def _framework(options: argparse.Namespace, token: str, say: Say) -> None:
    client, times = Client(), {"/api/v1/decisions": [], "/plain": [], "/bare": []}

    def send(address: str, number: int) -> float:
        body = json.dumps(_asked(number, options.api_accounts))
        began = time.perf_counter()
        response = client.post(address, body, content_type="application/json", headers=_headers(token))
        taken = (time.perf_counter() - began) * 1000
        assert response.status_code == 201, response.content
        return taken

    with override_settings(ROOT_URLCONF=Addresses, ALLOWED_HOSTS=["testserver"]):
        for address in ("/api/v1/decisions", "/plain"):
            send(address, 1)
        caught = _captured(lambda: send("/api/v1/decisions", 2))
        of_plain = _captured(lambda: send("/plain", 3))
        _statements[:] = [
            statement for statement in caught if statement.lstrip()[:6].upper() in ("SELECT", "WITH R")
        ]
        for number in range(options.api_times):
            for address, taken in times.items():
                taken.append(send(address, 10 + number))
    api, by_hand, floor = (median(taken) for taken in times.values())
    say(f"  a decision in process: {len(caught)} statements (plain view: {len(of_plain)})")
    say(
        f"  API p50 {api:.1f} ms   plain view {by_hand:.1f} ms   {api / by_hand:.2f} x"
        f"   its SELECTs alone {floor:.1f} ms   {api / floor:.2f} x"
    )


# --- on a real server ---


def _serve(business_day: str) -> subprocess.Popen[bytes]:
    environment = {
        **os.environ,
        "DB_POOL": "1",
        "CREDITDESK_BUSINESS_DATE": business_day,
        "DATABASE_URL": os.environ["DATABASE_URL"],
    }
    command = [sys.executable, "-m", "gunicorn", "creditdesk.wsgi", "--bind", f"127.0.0.1:{PORT}"]
    command += [
        "--worker-class",
        "gthread",
        "--workers",
        "2",
        "--threads",
        "4",
        "--log-level",
        "warning",
        "--keep-alive",
        "75",
    ]
    server = subprocess.Popen(command, cwd=ROOT, env=environment)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            if _get("/healthz") == 200:
                return server
        except OSError:
            pass
        time.sleep(0.2)
    server.terminate()
    raise RuntimeError("The server did not start")


def _get(address: str) -> int:
    asking = http.client.HTTPConnection("127.0.0.1", PORT, timeout=10)
    asking.request("GET", address)
    return asking.getresponse().status


def _post(asking: http.client.HTTPConnection, address: str, body: Any, token: str) -> tuple[int, Any]:
    asking.request("POST", address, json.dumps(body), _headers(token))
    response = asking.getresponse()
    return response.status, json.loads(response.read())


def _decisions(options: argparse.Namespace, token: str, say: Say) -> None:
    count, waits, statuses = options.api_rate * options.api_seconds, [], Counter()
    lock, numbers = threading.Lock(), iter(range(-16, count))
    begin = time.perf_counter() + 3  # the first sixteen warm the workers up, at once

    def client() -> None:
        asking = http.client.HTTPConnection("127.0.0.1", PORT, timeout=30)
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            due = begin + number / options.api_rate
            if number >= 0:
                time.sleep(max(due - time.perf_counter(), 0))
            status, _answer = _post(
                asking, "/api/v1/decisions", _asked(number + 50, options.api_accounts), token
            )
            if number >= 0:
                with lock:
                    waits.append((time.perf_counter() - due) * 1000)
                    statuses[status] += 1

    _together([client] * 16)
    waits.sort()
    say(
        f"  {count} decisions at {options.api_rate}/s: p50 {waits[count // 2]:.0f} ms   "
        f"p99 {waits[int(count * 0.99)]:.0f} ms   max {waits[-1]:.0f} ms   answers {dict(statuses)}   "
        f"load {os.getloadavg()[0]:.1f}"
    )


def _reservations(options: argparse.Namespace, token: str, shared: CreditAccount, say: Say) -> None:
    amount, answers = Money.of(700, "EUR"), []
    room = ask_check(CheckRequest(shared, amount, CheckPoint.ORDER, business_date(), timezone.now())).headroom
    assert room is not None
    start = threading.Barrier(options.api_reservations)

    def client(number: int) -> Callable[[], None]:
        def ask() -> None:
            asking = http.client.HTTPConnection("127.0.0.1", PORT, timeout=300)
            body = {
                "customer": "SHARED",
                "amount": {"amount": "700.00", "currency": "EUR"},
                "reserve": {"reference": f"SO-{number}"},
            }
            start.wait()
            status, answer = _post(asking, "/api/v1/credit-checks", body, token)
            answers.append((status, answer.get("passes"), bool(answer.get("reservation"))))

        return ask

    began = time.perf_counter()
    _together([client(number) for number in range(options.api_reservations)])
    taken = time.perf_counter() - began
    told = Counter(answers)
    held = Reservation.objects.filter(account=shared, status="active")
    total = held.aggregate(total=Sum("amount"))["total"]
    minor = int(getattr(total, "minor", total) or 0)
    say(
        f"  {options.api_reservations} reservations at once against {room}: {told[200, True, True]} held "
        f"({held.count()} stored, {Money(minor, 'EUR')}), {told[200, False, False]} refused, "
        f"{options.api_reservations - len(answers)} without an answer, others {len(told) - 2}; {taken:.1f} s"
    )
    assert told[200, True, True] == held.count() == min(room.minor // amount.minor, options.api_reservations)
    assert len(answers) == options.api_reservations and minor <= room.minor


def _together(acts: list[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=act) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
