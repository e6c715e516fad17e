"""The machinery's own pages: they open, are themed, and show what they are for."""

from datetime import date

import pytest
from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.urls import reverse
from django.utils import timezone
from unfold.admin import ModelAdmin

from creditdesk.core.models import Heartbeat, Job

pytestmark = pytest.mark.django_db
PAGES = [
    *("core_job", "core_heartbeat"),
    *("axes_accessattempt", "axes_accesslog", "axes_accessfailurelog"),
]


@pytest.fixture
def desk(client):
    client.force_login(get_user_model().objects.create_superuser("boss"))
    return client


@pytest.mark.parametrize("page", PAGES)
def test_every_page_opens(desk, page):
    assert desk.get(reverse(f"admin:{page}_changelist")).status_code == 200


def test_sign_in_pages_wear_the_theme():
    assert all(
        isinstance(admin.site._registry[model], ModelAdmin)
        for model in (AccessAttempt, AccessLog, AccessFailureLog)
    )


def test_jobs_show_their_state_and_cannot_be_edited(desk):
    job = Job.objects.create(kind="score", key="1-100", business_date=date(2026, 3, 2), status="failed")
    assert "failed" in desk.get(reverse("admin:core_job_changelist")).content.decode()
    page = desk.get(reverse("admin:core_job_change", args=[job.pk]))
    assert page.status_code == 200
    assert 'name="_save"' not in page.content.decode()
    assert desk.get(reverse("admin:core_job_add")).status_code == 403


def test_heartbeats_are_listed(desk):
    Heartbeat.objects.create(name="main@here", beat_at=timezone.now())
    assert "main@here" in desk.get(reverse("admin:core_heartbeat_changelist")).content.decode()


def test_a_locked_person_can_be_let_in_again(desk):
    attempt = AccessAttempt.objects.create(username="boss", ip_address="127.0.0.1", failures_since_start=10)
    desk.post(
        reverse("admin:axes_accessattempt_changelist"),
        {"action": "unlock", "_selected_action": [str(attempt.pk)]},
    )
    assert not AccessAttempt.objects.exists()
