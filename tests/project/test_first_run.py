"""The desk before anything was imported."""

import pytest
from django.urls import reverse

from customers.models import CreditAccount
from tests.desk_world import TODAY, client_of

pytestmark = pytest.mark.django_db


def test_an_empty_book_teaches_the_import(cast, settings):
    settings.BUSINESS_DATE = TODAY
    CreditAccount.objects.all().delete()
    page = client_of(cast.controller).get(reverse("desk:home")).content.decode()
    assert "There is no ledger yet" in page
    assert reverse("admin:customers_importbatch_add") in page
