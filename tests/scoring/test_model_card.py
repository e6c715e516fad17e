"""The model card: generated from the card and its reports, signed off by somebody else, and told when it changed."""

from __future__ import annotations

from copy import deepcopy

import pytest
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import translation

from creditdesk.core.models import AuditEntry, User
from scoring import drafts, publishing
from scoring.model_card import SigningError, digest, sections, sign, signatures
from scoring.models import CardReport, Scorecard
from scoring.reports import store_report
from tests.desk_world import TODAY, client_of
from tests.people import make_cast

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def kept_world(module_database):
    """The controller's card, proposed; its Gini was measured."""
    cast = make_cast()
    active = Scorecard.objects.get(status="active", kind="full")
    card = drafts.copy_card(active, by=cast.controller, as_of=TODAY)
    figures = {
        "gini": 0.5,
        "auc": 0.75,
        "ks": 0.4,
        "customers": 90,
        "events": 12,
        "observations": 300,
        "gini_interval": [0.3, 0.7],
        "calibration": [{"predicted": 0.1, "observed": 0.12, "interval": [0.05, 0.2]}],
        "calibration_together": {"p_value": 0.012, "agrees": False},
    }
    store_report(card, CardReport.Kind.BACKTEST, TODAY, figures, made_by="test")
    publishing.propose_card(card, by=cast.controller, reason="Better.", as_of=TODAY)
    return cast, card


@pytest.fixture
def world(kept_world, db, settings):
    settings.BUSINESS_DATE = TODAY
    return deepcopy(kept_world)


def loaded(card):
    return Scorecard.objects.select_related("created_by", "proposed_by", "decided_by", "based_on").get(
        pk=card.pk
    )


def test_it_says_what_the_card_and_its_reports_say(world):
    cast, card = world
    text = {
        section.code: " ".join(" ".join(row) for row in section.rows) for section in sections(loaded(card))
    }
    assert "90 days" in text["event"] and "100 EUR" in text["event"]
    assert "base 65" in text["numbers"] and "A ≥ 80" in text["numbers"]
    assert "0.500 (0.300 – 0.700)" in text["tested"] and "1 of 1 group" in text["tested"]
    assert "further off than chance allows (p = 0.012)" in text["tested"]
    assert "Uncalibrated odds, set by hand" in text["event"] and "forecast no loss rate" in text["event"]
    assert "days late on average, 12 months" in text["inputs"]
    assert cast.controller.username in text["people"]
    with translation.override("it"):
        assert digest(loaded(card)) == digest(loaded(card)), "the fingerprint is of one language"


def test_signed_by_somebody_else_kept_and_told_when_it_changed(world):
    cast, card = world
    for user, code in ((cast.collector, "not_allowed"), (cast.controller, "not_allowed")):
        with pytest.raises(SigningError) as caught:
            sign(loaded(card), by=user, words="Read.", as_of=TODAY)
        assert caught.value.code == code
    Scorecard.objects.filter(pk=card.pk)
    url = reverse("scorecards:model_card", args=[card.pk])
    client = client_of(cast.approver)
    assert "not signed off" in client.get(url).content.decode()
    assert client.post(url, {"reason": " "}).status_code == 422
    assert client.post(url, {"reason": "Read the figures and the gates."}).status_code == 302
    with CaptureQueriesContext(connection) as caught_queries:
        page = client.get(url).content.decode()
    assert "signed off as it stands" in page and len(caught_queries) <= 16
    (signed,) = signatures(loaded(card))
    assert signed.figures["card"][0]["code"] == "purpose"
    assert AuditEntry.objects.get(act="scorecard.model_card_signed").actor == cast.approver
    store_report(card, CardReport.Kind.BACKTEST, TODAY, {"gini": 0.4, "customers": 9}, made_by="test")
    assert "changed since it was signed off" in client.get(url).content.decode()
    with pytest.raises(DatabaseError), transaction.atomic():
        CardReport.objects.filter(pk=signed.pk).update(made_by="somebody else")
    own = cast.controller
    own.groups.set(cast.approver.groups.all())
    with pytest.raises(SigningError) as caught:
        sign(loaded(card), by=type(own).objects.get(pk=own.pk), words="Mine.", as_of=TODAY)
    assert caught.value.code == "own"
    # Nor does whoever only changed something in it while it was a draft; the page does not offer it.
    boss = User.objects.create(username="editor", is_superuser=True, is_staff=True)
    assert 'primary">Sign off' in client_of(boss).get(url).content.decode()
    card.editors.create(user=boss)
    with pytest.raises(SigningError) as caught:
        sign(loaded(card), by=boss, words="Mine, too.", as_of=TODAY)
    assert caught.value.code == "own"
    assert 'primary">Sign off' not in client_of(boss).get(url).content.decode()
