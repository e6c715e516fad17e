from datetime import date

import pytest

from creditdesk.demo.loader import load_story
from tests import words

AS_OF = date(2026, 11, 20)
CUSTOMERS = 60


@pytest.fixture(scope="module")
def story(django_db_setup, django_db_blocker):
    """A small story, loaded once for all tests of a module and rolled back after them."""
    from django.db import transaction

    with django_db_blocker.unblock():
        with transaction.atomic():
            with words.watched():
                load = load_story(AS_OF, CUSTOMERS).load
            yield load
            transaction.set_rollback(True)
