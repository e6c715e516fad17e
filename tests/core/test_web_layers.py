"""Headers, language, sign-in throttling and health as a client of the site sees them."""

from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.db import OperationalError
from django.test import RequestFactory
from django.urls import reverse
from django.utils import timezone

from creditdesk import health
from creditdesk.core.client_ip import client_ip
from creditdesk.core.models import Heartbeat
from creditdesk.core.watchdog import cluster_names

pytestmark = pytest.mark.django_db


def policy(response) -> dict[str, set[str]]:
    directives = (part.split() for part in response.headers["Content-Security-Policy"].split(";"))
    return {name: set(values) for name, *values in directives}


def test_pages_outside_the_admin_have_a_strict_policy(client):
    strict = policy(client.get("/healthz"))
    assert strict["default-src"] == strict["script-src"] == strict["style-src"] == {"'self'"}
    assert strict["frame-ancestors"] == strict["object-src"] == {"'none'"}


def test_the_admin_alone_may_evaluate_and_style_inline(client):
    relaxed = policy(client.get(reverse("admin:login")))
    assert relaxed["script-src"] == {"'self'", "'unsafe-eval'"}
    assert relaxed["style-src"] == {"'self'", "'unsafe-inline'"}
    assert relaxed["default-src"] == {"'self'"}


def test_browser_features_nobody_needs_are_off(client):
    assert "camera=()" in client.get("/healthz").headers["Permissions-Policy"]


@pytest.mark.parametrize("language", ["it", "es", "fr"])
def test_a_persons_own_language_wins_over_the_browsers(client, language):
    user = get_user_model().objects.create_superuser("boss", language=language)
    client.force_login(user)
    response = client.get(reverse("admin:index"), headers={"accept-language": "en"})
    assert response.headers["Content-Language"] == language
    assert f'lang="{language}"' in response.content.decode()


def test_without_a_session_the_browsers_language_holds(client):
    response = client.get(reverse("admin:login"), headers={"accept-language": "it"})
    assert response.headers["Content-Language"] == "it"


def test_ten_wrong_passwords_lock_the_name_for_a_while(client):
    get_user_model().objects.create_superuser("boss", password="correct horse")
    right = {"username": "boss", "password": "correct horse"}
    for _ in range(10):
        last = client.post(reverse("admin:login"), right | {"password": "wrong"})
    assert last.status_code == 429
    assert client.post(reverse("admin:login"), right).status_code == 429
    elsewhere = client.post(reverse("admin:login"), right, REMOTE_ADDR="198.51.100.7")
    assert elsewhere.status_code == 302


@pytest.mark.parametrize(
    ("proxies", "forwarded", "expected"),
    [
        (0, "203.0.113.9", "10.0.0.1"),
        (1, "", "10.0.0.1"),
        (1, "203.0.113.9", "203.0.113.9"),
        (1, "1.2.3.4, 203.0.113.9", "203.0.113.9"),
        (2, "1.2.3.4, 203.0.113.9, 10.0.0.5", "203.0.113.9"),
    ],
)
def test_only_our_own_proxies_are_believed(settings, proxies, forwarded, expected):
    settings.TRUSTED_PROXIES = proxies
    request = RequestFactory().get("/", REMOTE_ADDR="10.0.0.1", headers={"x-forwarded-for": forwarded})
    assert client_ip(request) == expected


class TestReadiness:
    @pytest.fixture
    def beats(self):
        for name in cluster_names():
            Heartbeat.objects.create(name=f"{name}@here", beat_at=timezone.now())

    def test_ready(self, client, beats):
        response = client.get("/readyz")
        assert response.status_code == 200
        assert response.json() == {
            "ready": True,
            "checks": {"database": "ok", "migrations": "ok", "workers": "ok"},
        }

    def test_no_worker_was_ever_seen(self, client):
        response = client.get("/readyz")
        assert response.status_code == 503
        assert "cluster main was never seen working" in response.json()["checks"]["workers"]

    def test_a_cluster_fell_silent(self, client, beats):
        Heartbeat.objects.filter(name="bulk@here").update(beat_at=timezone.now() - timedelta(minutes=9))
        workers = client.get("/readyz").json()["checks"]["workers"]
        assert "cluster bulk was last seen working 540 s ago" in workers
        assert "main" not in workers

    def test_an_unapplied_migration(self, client, beats, monkeypatch):
        monkeypatch.setattr(health.MigrationExecutor, "migration_plan", lambda *_: [("a", False)])
        response = client.get("/readyz")
        assert response.status_code == 503
        assert response.json()["checks"]["migrations"].startswith("1 unapplied")

    def test_a_database_that_does_not_answer(self, client, monkeypatch):
        def refuse():
            raise OperationalError("connection to server at db.internal as user desk failed")

        monkeypatch.setattr(health, "check_database", refuse)
        response = client.get("/readyz")
        assert response.status_code == 503
        assert response.json()["checks"] == {"database": "database error: OperationalError"}

    def test_the_process_is_up_whatever_else(self, client):
        assert client.get("/healthz").content == b"ok\n"
