import pytest

from scoring.card import _loaded


@pytest.fixture(autouse=True)
def _cards_of_this_test_only():
    """Cards are kept in memory by their key, which a rolled-back test gives to the next one."""
    _loaded.cache_clear()
