"""Sentences are stored taken apart, and read in the reader's language."""

from datetime import date

import pytest
from django.utils import translation
from django.utils.translation import gettext as plain
from django.utils.translation import gettext_lazy

from creditdesk.core.models import Notice
from creditdesk.core.sentences import gettext as _
from creditdesk.core.sentences import in_a_row, readable, sentence_of, stored, told
from tests import words


def test_what_is_stored_is_told_in_the_reader_s_language():
    with translation.override("it"):
        inner = _("a JSON object was expected")
        said = _("%(label)s: could not be measured. %(why)s") % {"label": gettext_lazy("Gini"), "why": inner}
        kept = stored({"refused": said, "n": 1, "list": [inner, "as it stands"]})
    assert kept["n"] == 1 and kept["list"] == [{"say": "a JSON object was expected"}, "as it stands"]
    assert "misura" not in str(kept)
    assert told(kept["refused"]) == "Gini: could not be measured. a JSON object was expected"
    with translation.override("it"):
        assert told(kept["refused"]) == str(said) != told({"say": "x"})
        assert "Gini" in str(said) and "could not" not in str(said)
    assert readable(kept) == {
        "refused": told(kept["refused"]),
        "n": 1,
        "list": ["a JSON object was expected", "as it stands"],
    }
    # What was stored before is handed on as it stands; nothing is nothing; a lost parameter loses no words.
    assert (told("Non misurato."), told(None), told({}), told({"retry": 1})) == ("Non misurato.", "", "", "")
    assert told({"say": "%(a)s of %(b)s", "with": {"a": 1}}) == "%(a)s of %(b)s"


def test_days_are_filled_in_as_the_language_writes_them():
    said = in_a_row([_("Until %s") % date(2026, 3, 1), "Plain."])
    assert str(said) == "Until 1 Mar 2026 Plain."
    assert stored(said) == {
        "say": "%s %s",
        "with": [{"say": "Until %s", "with": [{"day": "2026-03-01"}]}, "Plain."],
    }
    with translation.override("it"):
        assert told(stored(said)).endswith("1 mar 2026 Plain.")
    assert sentence_of(ValueError(said)) is said and sentence_of(ValueError("x")) == "x"


@pytest.mark.django_db
def test_the_watch_sees_a_translated_text_in_a_row():
    def write(text, key):
        Notice.objects.create(topic="t", key=key, about={"why": text}, business_date=date(2026, 3, 1))

    with words.watched():
        write(stored(_("a JSON object was expected")), "a")
        write("typed by somebody", "b")
    with pytest.raises(AssertionError, match="a JSON object was expected"), words.watched():
        write(plain("a JSON object was expected"), "c")
