"""What a fresh machine installs, and that models and migrations agree."""

import os
import re
import subprocess
import sys
import zipfile
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


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The wheel, built from the tree as it stands and unpacked into a folder of its own."""
    folder = tmp_path_factory.mktemp("wheel")
    code = "import sys; from hatchling.build import build_wheel; print(build_wheel(sys.argv[1]))"  # what pip calls
    subprocess.run([sys.executable, "-c", code, str(folder)], cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    site = folder / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    return site


def files(folder: Path, *suffixes: str) -> set[str]:
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.suffix in suffixes
    }


def test_the_wheel_has_every_module_template_catalog_and_static_file(installed):
    for there, here, suffixes in (
        ("creditdesk/templates", "templates", (".html", ".txt")),
        ("creditdesk/locale", "locale", (".mo",)),
        ("creditdesk/static", "creditdesk/static", (".css", ".js", ".svg")),
        ("customers", "customers", (".py", ".json")),
        ("scoring", "scoring", (".py",)),
        *((app, f"collections/{app}", (".py",)) for app in ("worklists", "dunning", "kpis")),
    ):
        expected = files(ROOT / here, *suffixes)
        assert expected, here
        assert expected - files(installed / there, *suffixes) == set(), there
    assert not (installed / "collections").exists(), "it would hide the standard library's"
    assert not (installed / "tests").exists()


def test_the_installed_desk_finds_its_templates_and_languages(installed, tmp_path):
    code = (
        "import creditdesk, django; django.setup()\n"
        "from django.template.loader import get_template\n"
        "from django.utils import translation\n"
        "from django.utils.translation import gettext\n"
        "print(get_template('desk/base.html').origin.name)\n"
        "print(creditdesk.__file__)\n"
        "translation.activate('it'); print(gettext('Customers'))\n"
    )
    env = os.environ | {
        "PYTHONPATH": str(installed),
        "DJANGO_SETTINGS_MODULE": "creditdesk.settings",
        "SQLITE_FILE": str(tmp_path / "db.sqlite3"),
    }
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=env, capture_output=True, text=True, check=True
    )
    template, package, word = run.stdout.split()
    assert template == str(installed / "creditdesk/templates/desk/base.html")
    assert package.startswith(str(installed))
    assert word == "Clienti"
