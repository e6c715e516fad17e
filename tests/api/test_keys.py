"""Keys: shown once, stored as a hash, bounded by scope, user and time; counted, logged, rotated, revoked."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import DatabaseError, transaction
from django.urls import reverse
from django.utils import timezone

from creditdesk.api import tasks
from creditdesk.api.keys import KeyRefused, key_of, revoke_key, rotate_key
from creditdesk.api.models import ApiKey, ApiMinute, ApiRequest, IdempotentAnswer
from creditdesk.core.models import AuditEntry, User
from tests.api.conftest import Caller, euro, key_for
from tests.api.test_endpoints import problem
from tests.desk_world import client_of
from tests.factories import ACTOR

pytestmark = pytest.mark.django_db


@pytest.fixture
def boss(world):
    return User.objects.create(username="boss", is_staff=True, is_superuser=True)


def everything_stored() -> str:
    """Every value of every row, as one text."""
    return "\n".join(
        str(row) for model in apps.get_models() if model._meta.managed for row in model.objects.values_list()
    )


def test_the_admin_makes_a_key_and_shows_it_once_and_its_secret_is_nowhere(world, boss, caplog):
    caplog.set_level("DEBUG")
    client = client_of(boss)
    form = {
        "name": "till",
        "user": world.cast.integration.pk,
        "company": world.cast.company.pk,
        "scopes": ["customers:read", "limit-changes:propose"],
        "per_minute": 60,
        "expires_at_0": "2031-01-01",
        "expires_at_1": "00:00:00",
    }
    page = client.post(reverse("admin:api_apikey_add"), form)
    assert page.status_code == 200, page.context and page.context["adminform"].form.errors
    token = page.context["token"]
    assert token in page.content.decode() and "no-store" in page["Cache-Control"]
    key = ApiKey.objects.get(name="till", per_minute=60)
    assert (key.scopes, key.company, key.created_by) == (form["scopes"], world.cast.company, boss)
    caller = Caller(token)
    assert caller.get("customers").status_code == 200
    body = {"customer": "C-1002", "amount": euro("9000"), "reason": "growing_business"}
    assert caller.post("limit-changes", body).status_code == 201
    problem(caller.get("exposures"), 403, "scope_missing")
    secret = token.split("_", 2)[2]
    assert key.prefix in everything_stored() and secret not in everything_stored()
    assert secret not in caplog.text and secret not in str(client.session.items())
    for url in (
        reverse("admin:api_apikey_change", args=[key.pk]),
        reverse("admin:api_apikey_changelist"),
        reverse("admin:api_apirequest_changelist"),
    ):
        shown = client.get(url).content.decode()
        assert secret not in shown and key.name in shown
    assert AuditEntry.objects.get(act="api_key.make", subject_pk=str(key.pk)).actor == boss
    for wrong in ({"user": boss.pk}, {"expires_at_0": "2001-01-01"}, {"scopes": []}):
        assert client.post(reverse("admin:api_apikey_add"), form | wrong).context["errors"], wrong

    act = reverse("admin:api_apikey_act", args=[key.pk, "rotate"])
    assert client.get(act).status_code == 200 and ApiKey.objects.filter(replaces=key).count() == 0
    newer = client.post(act).context["token"]
    assert Caller(newer).get("customers").status_code == caller.get("customers").status_code == 200
    client.post(reverse("admin:api_apikey_act", args=[key.pk, "revoke"]))
    problem(caller.get("customers"), 401, "authentication_failed")
    assert client_of(world.cast.controller).get(act).status_code == 403
    assert client_of(world.cast.auditor).post(act).status_code == 403
    assert client_of(world.cast.auditor).get(reverse("admin:api_apirequest_changelist")).status_code == 200


def test_a_key_works_as_long_as_it_is_meant_to(world):
    now = timezone.now()
    key, token = key_for(world.cast.integration, "customers:read", now=now - timedelta(days=300))
    newer, new_token = rotate_key(key, now=now, actor=ACTOR)
    assert (newer.scopes, newer.user, newer.replaces) == (key.scopes, key.user, key)
    assert key_of(token) == key and key_of(new_token) == newer
    key.refresh_from_db()
    assert key.expires_at == now + timedelta(days=7)
    with pytest.raises(KeyRefused, match="rotated already"):
        rotate_key(key, now=now, actor=ACTOR)
    assert key_of(token[:-1] + ("A" if token[-1] != "A" else "B")) is None
    assert key_of(token.replace("cdk_", "sk_")) is None
    revoke_key(newer, now=now, actor=ACTOR)
    revoke_key(newer, now=now + timedelta(days=1), actor=ACTOR)
    assert ApiKey.objects.get(pk=newer.pk).revoked_at == now
    assert AuditEntry.objects.filter(act="api_key.revoke").count() == 1
    with pytest.raises(KeyRefused, match="works no longer"):
        rotate_key(newer, now=now, actor=ACTOR)
    assert ApiKey.objects.get(pk=key.pk).works_at(now + timedelta(days=6))
    assert not ApiKey.objects.get(pk=key.pk).works_at(now + timedelta(days=8))
    for changed in ({"scopes": ["exposures:read"]}, {"digest": "0" * 64}, {"revoked_at": None}):
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            ApiKey.objects.filter(pk=newer.pk).update(**changed)

    reader = Caller(token)
    assert reader.get("customers").status_code == 200
    User.objects.filter(pk=world.cast.integration.pk).update(is_superuser=True)
    refused = problem(reader.get("customers"), 401, "authentication_failed")
    assert "superuser" in str(refused)
    User.objects.filter(pk=world.cast.integration.pk).update(is_superuser=False)
    world.cast.integration.groups.clear()
    problem(reader.get("customers"), 403, "permission_missing")
    User.objects.filter(pk=world.cast.integration.pk).update(is_active=False)
    problem(reader.get("customers"), 401, "authentication_failed")


def test_requests_are_counted_logged_and_swept(world):
    key, token = key_for(world.cast.integration, "customers:read", per_minute=3)
    caller = Caller(token)
    assert [caller.get("customers", name="secret words").status_code for _n in range(3)] == [200] * 3
    refused = caller.get("customers")
    problem(refused, 429, "throttled")
    assert 1 <= int(refused["Retry-After"]) <= 60
    assert world.caller.get("customers").status_code == 200
    logged = ApiRequest.objects.filter(key=key).order_by("pk")
    assert list(logged.values_list("method", "path", "status")) == [
        *[("GET", "/api/v1/customers", 200)] * 3,
        ("GET", "/api/v1/customers", 429),
    ]
    key.refresh_from_db()
    assert timezone.now() - key.last_used_at < timedelta(minutes=5)
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        logged.update(status=200)
    # A minute ago it was as busy: that counts for the part of the minute still in sight.
    ApiMinute.objects.filter(key=key).delete()
    ApiMinute.objects.create(key=key, minute=int(timezone.now().timestamp() // 60) - 1, count=100_000)
    problem(caller.get("customers"), 429, "throttled")

    old = timezone.now() - timedelta(days=100)
    ApiRequest.objects.create(key=key, at=old, method="GET", path="/", status=200, milliseconds=1)
    IdempotentAnswer.objects.create(user=key.user, key="old", fingerprint="", at=old)
    ApiMinute.objects.create(key=key, minute=1, count=1)
    assert tasks.sweep() == {"requests": 1, "answers": 1, "minutes": 1}
    assert tasks.sweep() == {"requests": 0, "answers": 0, "minutes": 0}


def test_add_api_key_prints_the_token_and_says_what_is_missing(world, boss):
    out = StringIO()
    call_command("add_api_key", "robot", "erp", scope=["customers:read"], company="acme", stdout=out)
    token = out.getvalue().strip()
    assert Caller(token).get("customers").status_code == 200
    assert key_of(token).company == world.cast.company
    for user, options, words in (
        ("nobody", {"scope": ["all"]}, "no user nobody"),
        ("boss", {"scope": ["all"]}, "superuser"),
        ("robot", {"scope": []}, "No such scope"),
        ("robot", {"scope": ["all"], "company": "x"}, "no company x"),
    ):
        with pytest.raises(CommandError, match=words):
            call_command("add_api_key", user, "erp", **options)
