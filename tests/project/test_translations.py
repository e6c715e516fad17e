"""Every text a person sees exists in Italian, Spanish and French: no gap, no doubt, no lost placeholder."""

import gettext
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from babel.messages import pofile
from django.contrib.admin.utils import label_for_field
from django.forms import modelform_factory
from django.utils import translation

from customers.models import FinancialStatement

ROOT = Path(__file__).resolve().parents[2]
LANGUAGES = ["it", "es", "fr"]
PLACEHOLDER = re.compile(r"%\(\w+\)[sdif]|%[sd]|\{\w*\}|%%")


def folder(language, root=ROOT):
    return root / "locale" / language / "LC_MESSAGES"


def catalog(language, root=ROOT):
    with (folder(language, root) / "django.po").open("rb") as file:
        return [message for message in pofile.read_po(file) if message.id]


def texts(value):
    return list(value) if isinstance(value, (tuple, list)) else [value]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_is_translated(language):
    gaps = [m.id for m in catalog(language) if m.fuzzy or not all(texts(m.string))]
    assert gaps == [], f"translate these into {language}, then run `make messages`"


@pytest.mark.parametrize("language", LANGUAGES)
def test_placeholders_survive_translation(language):
    wrong = []
    for message in catalog(language):
        wanted = set(PLACEHOLDER.findall(texts(message.id)[-1]))
        for text in texts(message.string):
            found = set(PLACEHOLDER.findall(text))
            # The form for one may spell the number out; nothing may appear that is not filled in.
            if found - wanted or (found != wanted and not isinstance(message.id, tuple)):
                wrong.append((message.id, text))
    assert wrong == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_runs_is_what_was_translated(language):
    """The compiled catalog (installed without gettext) equals the readable one."""
    with (folder(language) / "django.mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)._catalog
    for message in catalog(language):
        key = texts(message.id)[0]
        key = f"{message.context}\x04{key}" if message.context else key
        forms = texts(message.string)
        if isinstance(message.id, tuple):
            assert [compiled.get((key, n)) for n in range(len(forms))] == forms
        else:
            assert compiled.get(key) == forms[0], key


def test_no_text_is_missing_from_the_catalogs(tmp_path):
    """Collect the texts anew from the code and compare: a new one that nobody translated fails here."""
    if shutil.which("xgettext") is None:
        if os.environ.get("CREDITDESK_REQUIRE_BROWSER"):
            pytest.fail("gettext is not installed: .ci/run must bring it")
        pytest.skip("gettext is not installed")
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\n")
    for name in listed:
        source = ROOT / name
        seen = name.endswith((".py", ".html", ".txt", ".po")) and not name.startswith(
            ("tests/", "benchmarks/")
        )
        if seen and source.exists():
            target = tmp_path / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)
    subprocess.run(
        [sys.executable, "manage.py", "makemessages", "-l", "it", "--no-obsolete", "--no-wrap"],
        cwd=tmp_path,
        env={**os.environ, "SQLITE_FILE": str(tmp_path / "none.sqlite3"), "DATABASE_URL": ""},
        capture_output=True,
        check=True,
    )

    def ids(messages):
        return {(m.context, tuple(texts(m.id))) for m in messages}

    collected = ids(catalog("it", tmp_path))
    assert len(collected) > 500
    for language in LANGUAGES:
        assert collected - ids(catalog(language)) == set(), (
            f"new texts: run `make messages`, translate {language}"
        )


def test_a_field_without_a_label_of_its_own_is_named_in_the_readers_language():
    form = modelform_factory(FinancialStatement, fields=["customer", "months"])
    with translation.override("it"):
        assert form().fields["customer"].label == "Cliente"
        assert label_for_field("customer", FinancialStatement) == "cliente"
