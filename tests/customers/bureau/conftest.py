import pytest

from tests.customers.bureau.agency import running


@pytest.fixture(scope="package")
def recorded_agency():
    with running() as server:
        yield server


@pytest.fixture
def agency(recorded_agency, settings):
    settings.BUREAU_PRIVATE_HOSTS = [recorded_agency.host]
    recorded_agency.play("good")
    return recorded_agency
