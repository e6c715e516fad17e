"""What a fresh machine installs, and that models and migrations agree."""

import re
from pathlib import Path

import pytest
from django.core.management import call_command

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ("requirements.lock", "requirements-dev.lock")


def requirements(lock: str) -> dict[str, str]:
    """Package name -> its whole entry; an entry starts in the first column."""
    text = "\n".join(
        line for line in (ROOT / lock).read_text().splitlines() if not line.lstrip().startswith("#")
    )
    return {entry.split("==")[0]: entry for entry in re.split(r"\n(?=\S)", text.strip())}


@pytest.mark.parametrize("lock", LOCKS)
def test_every_locked_package_is_pinned_by_hash(lock):
    entries = requirements(lock)
    assert len(entries) > 20
    assert [
        name for name, entry in entries.items() if "==" not in entry or "--hash=sha256:" not in entry
    ] == []


@pytest.mark.parametrize("lock", LOCKS)
def test_no_lock_names_a_registry_or_a_path(lock):
    unwanted = r"://|--index|--extra-index|--find-links|--trusted-host|\s-f\s|file:| @ "
    assert not re.findall(unwanted, (ROOT / lock).read_text())


def test_both_locks_agree_and_can_install_the_project_itself():
    runtime, dev = (requirements(lock) for lock in LOCKS)
    versions = {name: entry.split()[0] for name, entry in runtime.items()}
    assert versions == {name: dev[name].split()[0] for name in runtime}
    assert {"hatchling", "editables"} <= runtime.keys()
    assert "django-unfold" in runtime and "0.91.0" in runtime["django-unfold"]


@pytest.mark.django_db
def test_models_and_migrations_agree():
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)
