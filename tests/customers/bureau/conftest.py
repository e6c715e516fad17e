from copy import deepcopy
from types import SimpleNamespace

import pytest

from customers.models import BureauProvider
from tests.customers.bureau.agency import FIRST, configured, running
from tests.factories import make_account
from tests.people import make_cast


@pytest.fixture(scope="package")
def recorded_agency():
    with running() as server:
        yield server


@pytest.fixture
def agency(recorded_agency, settings):
    settings.BUREAU_PRIVATE_HOSTS = [recorded_agency.host]
    recorded_agency.play("good")
    return recorded_agency


@pytest.fixture(scope="module")
def kept_world(module_database, recorded_agency):
    cast = make_cast()
    values = {"adapter": "json_http", "is_on": True, "currency": "EUR"}
    first = BureauProvider.objects.create(
        slug="alfa",
        label="Alfa",
        position=1,
        price=500,
        monthly_budget=1200,
        settings=configured(recorded_agency),
        **values,
    )
    second = BureauProvider.objects.create(
        slug="beta",
        label="Beta",
        position=2,
        price=900,
        countries="IT, FR",
        settings=configured(recorded_agency),
        **values,
    )
    customer = make_account(cast.company, "Alfa Srl", **FIRST).customer
    return SimpleNamespace(cast=cast, first=first, second=second, customer=customer)


@pytest.fixture
def world(kept_world, db, agency):
    return deepcopy(kept_world)
