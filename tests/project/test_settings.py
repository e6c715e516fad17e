"""Settings as an operator meets them: each test starts the project anew with an environment of its own."""

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
KEY = "a-real-key-of-more-than-fifty-characters-0123456789-abcdefghijklmnop"


@pytest.fixture
def python(tmp_path):
    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        clean = {"PATH": os.environ["PATH"], "SQLITE_FILE": str(tmp_path / "db.sqlite3"), **environment}
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=clean,
            capture_output=True,
            text=True,
            timeout=60,
        )

    return run


@pytest.fixture
def manage(python):
    return partial(python, "manage.py")


@pytest.fixture
def setting(python):
    """setting(name, **environment): what the environment makes of it, without the apps, which read it later."""

    def read(name: str, **environment: str) -> str:
        show = f"from django.conf import settings; print(settings.{name})"
        done = python("-c", show, DJANGO_SETTINGS_MODULE="creditdesk.settings", **environment)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return read


def test_production_refuses_the_demo_key(manage):
    done = manage("check", CREDITDESK_ENV="production")
    assert done.returncode != 0
    assert "SECRET_KEY" in done.stderr and "demo key" in done.stderr


def test_a_production_desk_passes_every_deployment_check(manage):
    done = manage("check", "--deploy", "--fail-level", "WARNING", CREDITDESK_ENV="production", SECRET_KEY=KEY)
    assert done.returncode == 0, done.stderr
    assert "no issues" in done.stdout


def test_the_key_may_come_from_a_file(setting, tmp_path):
    (tmp_path / "key").write_text(KEY + "\n")
    assert setting("SECRET_KEY", CREDITDESK_ENV="production", SECRET_KEY_FILE=str(tmp_path / "key")) == KEY


def test_a_trial_needs_no_setting_and_is_not_in_debug_mode(setting):
    assert setting("DEBUG") == "False"


def test_every_static_file_a_page_names_exists_for_production(manage, tmp_path):
    """Hashing fails on a style sheet that refers to a missing file."""
    static = tmp_path / "static"
    done = manage(
        "collectstatic", "--noinput", CREDITDESK_ENV="production", SECRET_KEY=KEY, STATIC_ROOT=str(static)
    )
    assert done.returncode == 0, done.stderr
    assert (static / "staticfiles.json").exists()
    assert list(static.glob("creditdesk/desk.*.css"))
