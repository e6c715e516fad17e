import pytest

from .ledgers import Book


@pytest.fixture
def book(db) -> Book:
    return Book()
