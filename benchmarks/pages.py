"""The pages people live in, against a bare view of the same rows, on the demo's story.

The bare view signs in by the same middleware, sends the page's own statements to the database as plain SQL and
writes every row it gets into one table, without menu, wording, charts or rights: what remains is what the page adds.
For "save and next" the bare view calls the same act and says ok. Requests are interleaved, in process, median of
each; the queries of a page include those of session, user and rights.
"""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Callable
from io import StringIO
from statistics import median
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.decorators import login_required
from django.core.management import call_command
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.template import Context, Engine
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext
from django.urls import include, path, reverse

from creditdesk.core.clock import business_date
from worklists import actions
from worklists.models import WorklistRow

NEEDS = "postgresql"
HTMX = {"HX-Request": "true"}
SAVES = 15
_TABLE = Engine().from_string(
    "<!doctype html><title>bare</title><table>{% for row in rows %}<tr>{% for cell in row %}<td>{{ cell }}</td>"
    "{% endfor %}</tr>{% endfor %}</table>"
)
_statements: dict[str, list[str]] = {}


@login_required
def bare(request: HttpRequest, name: str) -> HttpResponse:
    rows: list[tuple[Any, ...]] = []
    with connection.cursor() as cursor:
        for statement in _statements[name]:
            cursor.execute(statement)
            rows += cursor.fetchall()
    return HttpResponse(_TABLE.render(Context({"rows": rows})))


@login_required
def bare_save(request: HttpRequest, pk: int) -> HttpResponse:
    row = WorklistRow.objects.select_related("account").get(pk=pk)
    actions.log_call(row.account, user=request.user, on=business_date(), outcome="reached")
    return HttpResponse("ok")


class Addresses:
    """The project's (a page links to them) and the bare ones."""

    urlpatterns = [
        path("bare/<slug:name>/", bare),
        path("bare-save/<int:pk>/", bare_save),
        path("", include("creditdesk.urls")),
    ]


def _reads(statements: list[str]) -> list[str]:
    """The SELECTs among captured statements, out of the cursors Django declares for some of them."""
    plain = [re.sub(r"^DECLARE .*? CURSOR (?:WITH HOLD )?FOR ", "", text) for text in statements]
    return [text for text in plain if text.lstrip()[:4].upper() in {"SELE", "WITH"}]


def _captured(request: Callable[[], Any]) -> list[str]:
    """The statements of one request, read before the next one empties the log."""
    with CaptureQueriesContext(connection) as caught:
        assert request().status_code == 200
    return [query["sql"] for query in caught]


def _milliseconds(request: Callable[[], Any]) -> float:
    started = time.perf_counter()
    response = request()
    taken = (time.perf_counter() - started) * 1000
    assert response.status_code == 200, response.status_code
    return taken


def _client(name: str) -> Client:
    client = Client()
    client.force_login(get_user_model().objects.get(username=name))
    return client


def _pages() -> dict[str, tuple[Client, str]]:
    marta = _client("marta")
    first = WorklistRow.objects.filter(collector__username="marta", state="open").earliest("rank")
    customer = reverse("desk:customer", args=[first.account.customer_id])
    return {
        "worklist": (marta, reverse("worklists:today")),
        "its next customer": (marta, reverse("worklists:customer", args=[first.account_id])),
        "customer": (_client("carla"), customer),
        "KPI overview": (_client("bruno"), reverse("kpis:overview")),
        "approval inbox": (_client("paolo"), reverse("limits:inbox")),
    }


def _measure(name: str, client: Client, address: str, times: int, say: Callable[[str], None]) -> None:
    headers = HTMX if name.startswith("its") else {}

    def page() -> Any:
        return client.get(address, headers=headers)

    page()
    statements = _captured(page)
    _statements["nothing"] = []
    signing_in = {text[:60] for text in _captured(lambda: client.get("/bare/nothing/"))}
    _statements[name.replace(" ", "-")] = [text for text in _reads(statements) if text[:60] not in signing_in]
    bare_address = f"/bare/{name.replace(' ', '-')}/"
    _milliseconds(lambda: client.get(bare_address))
    pages, bares = [], []
    for _number in range(times):
        pages.append(_milliseconds(page))
        bares.append(_milliseconds(lambda: client.get(bare_address)))
    _say(say, name, len(statements), median(pages), median(bares))


def _say(say: Callable[[str], None], name: str, queries: int, page: float, bare_view: float) -> None:
    say(
        f"  {name:<20}{queries:3} queries   p50 {page:6.1f} ms   bare {bare_view:6.1f} ms   {page / bare_view:5.2f} x"
    )


def _measure_saves(client: Client, say: Callable[[str], None]) -> None:
    rows = list(WorklistRow.objects.filter(collector__username="marta", state="open").order_by("rank"))
    pages, bares, queries = [], [], 0
    for number, (row, other) in enumerate(zip(rows[::2], rows[1::2], strict=False)):
        if number > SAVES:
            break
        address = reverse("worklists:act", args=[row.account_id, "call"])

        def save(to: str = address) -> Any:
            return client.post(to, {"outcome": "reached"}, headers=HTMX)

        if number == 0:  # it warms up
            queries = len(_captured(save))
            continue
        pages.append(_milliseconds(save))
        bares.append(_milliseconds(lambda pk=other.pk: client.post(f"/bare-save/{pk}/")))
    _say(say, "save and next", queries, median(pages), median(bares))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--page-customers", type=int, default=600)
    parser.add_argument("--page-requests", type=int, default=25)


def run(options: argparse.Namespace, fresh: Callable[[], None], say: Callable[[str], None]) -> None:
    fresh()
    pinned = settings.BUSINESS_DATE
    call_command("demo", no_serve=True, customers=options.page_customers, stdout=StringIO())
    say(f"the demo's story of {options.page_customers} customers")
    try:
        with override_settings(ROOT_URLCONF=Addresses, ALLOWED_HOSTS=["testserver"]):
            pages = _pages()
            for name, (client, address) in pages.items():
                _measure(name, client, address, options.page_requests, say)
            _measure_saves(pages["worklist"][0], say)
    finally:
        settings.BUSINESS_DATE = pinned
