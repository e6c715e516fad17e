"""A client program's world: a key for the whole company, customers with the numbers the schema's examples use."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from creditdesk.api.keys import make_key
from creditdesk.api.models import ApiKey
from creditdesk.api.scopes import SCOPES
from creditdesk.core.models import User
from customers.models import Company, Portfolio
from tests.factories import ACTOR, invoice, make_account, receive
from tests.people import Cast, make_cast
from tests.scoring.checks.worlds import give_limit

TODAY = date(2026, 11, 20)


class Caller:
    """Sends JSON with a key; every POST with a new Idempotency-Key unless one is given."""

    def __init__(self, token: str) -> None:
        self.token, self.client = token, Client(raise_request_exception=False)

    def headers(self, **more: str) -> dict[str, str]:
        return ({"Authorization": f"Bearer {self.token}"} if self.token else {}) | more

    def get(self, path: str, **query: Any) -> Any:
        return self.client.get(f"/api/v1/{path}", query, headers=self.headers())

    def post(self, path: str, body: Any, key: str = "", **more: str) -> Any:
        return self.client.post(
            f"/api/v1/{path}",
            json.dumps(body),
            content_type="application/json",
            headers=self.headers(**{"Idempotency-Key": key or str(uuid.uuid4())}, **more),
        )


def key_for(user: User, *scopes: str, company: Company | None = None, **options: Any) -> tuple[ApiKey, str]:
    now: datetime = options.pop("now", None) or timezone.now()
    return make_key(user, "till", scopes or tuple(SCOPES), now=now, actor=ACTOR, company=company, **options)


@dataclass
class World:
    cast: Cast
    key: ApiKey
    caller: Caller


def make_world() -> World:
    cast = make_cast()
    south = Portfolio.objects.create(company=cast.company, code="south", name="South")
    for number, portfolio in ((1001, cast.portfolio), (1002, cast.portfolio), (1003, south)):
        account = make_account(cast.company, f"Shop {number}", portfolio=portfolio)
        account.customer.code = f"C-{number}"
        account.customer.save(update_fields=["code"])
    first = cast.company.accounts.get(customer__code="C-1001")
    invoice(first, "700.00", TODAY - timedelta(days=60))
    receive(first, "50.00", TODAY - timedelta(days=3))
    invoice(cast.elsewhere, "10.00", TODAY - timedelta(days=60))
    give_limit(cast.company.accounts.get(customer__code="C-1002"), 10_000)
    key, token = key_for(cast.integration)
    return World(cast, key, Caller(token))


@pytest.fixture
def world(db, settings) -> World:
    settings.BUSINESS_DATE = TODAY
    return make_world()


def euro(amount: str) -> dict[str, str]:
    return {"amount": f"{Decimal(amount):.2f}", "currency": "EUR"}
