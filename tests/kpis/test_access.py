"""Who sees which figures: permission, company, portfolio, on every page, list and export."""

from __future__ import annotations

from datetime import date

import pytest

from customers.models import Access, Portfolio

from .ledgers import Book

AS_OF = "2026-03-31"
PAGES = [
    "/desk/kpis/", "/desk/kpis/accounts/", "/desk/kpis/instalments/", "/desk/kpis/payments/",
    "/desk/kpis/documents/", "/desk/kpis/promises/",
]  # fmt: skip


def content(response) -> str:
    return b"".join(response.streaming_content if response.streaming else [response.content]).decode()


@pytest.fixture
def two_books(book):
    """Acme with two portfolios, and a company of its own that strangers work for."""
    other = Book("other")
    north = Portfolio.objects.create(company=book.company, code="north", name="North")
    for owner, name, more in (
        (book, "Rossi", {}),
        (book, "Bianchi", {"portfolio": north}),
        (other, "Secreta", {}),
    ):
        account = owner.account(name, **more)
        owner.invoice(account, "1000.00", date(2026, 1, 5))
        owner.cash(account, "10.00", date(2026, 1, 6))
    return book, north, other


@pytest.mark.django_db
@pytest.mark.parametrize("page", PAGES)
def test_signed_in_with_the_permission_or_not_at_all(client, make_reader, book, page, refusals_undrawn):
    assert client.get(page).status_code == 302
    client.force_login(make_reader("nobody", book.company, permission=False))
    assert client.get(page).status_code == 403
    client.force_login(make_reader("reader", book.company))
    assert client.get(page).status_code == 200
    assert client.post(page).status_code == 405


@pytest.mark.parametrize("page", PAGES[:5])
def test_a_reader_sees_only_what_was_given(client, make_reader, two_books, page):
    book, north, _other = two_books
    addresses = [f"{page}?as_of={AS_OF}", f"{page}?as_of={AS_OF}&export=csv"]
    client.force_login(make_reader("north", book.company, north))
    for address in addresses:
        text = content(client.get(address))
        assert "Rossi" not in text and "Secreta" not in text and "Other" not in text, address
    client.force_login(make_reader("stranger"))
    for address in addresses:
        text = content(client.get(address))
        assert not {"Rossi", "Bianchi", "Secreta", "1000.00", "1,000"} & set(text.replace("<", " ").split())
        assert "Bianchi" not in text and "1,000.00" not in text and "1000.00" not in text, address


@pytest.mark.parametrize("page", PAGES)
def test_a_strangers_filter_does_not_exist(client, make_reader, two_books, page, refusals_undrawn):
    book, north, other = two_books
    client.force_login(make_reader("north", book.company, north))
    for export in ("", "&export=csv", "&export=xlsx"):
        for wrong in (
            f"company={other.company.pk}",
            f"portfolio={book.portfolio.pk}",
            f"portfolio={other.portfolio.pk}",
            "customer=999999",
            "collector=999999",
        ):
            assert client.get(f"{page}?{wrong}{export}").status_code == 404, (wrong, export)
        assert client.get(f"{page}?portfolio={north.pk}{export}").status_code == 200, export


def test_figures_follow_the_scope(client, make_reader, two_books):
    book, north, other = two_books
    user = make_reader("bruno", book.company)
    client.force_login(user)
    address = f"/desk/kpis/?as_of={AS_OF}&table=ageing&export=csv"
    assert "2000.00" in content(client.get(address))
    assert "2000.00" not in content(client.get(f"{address}&portfolio={north.pk}"))
    Access.objects.create(user=user, company=other.company)
    assert "3000.00" in content(client.get(address))
    assert "3000.00" not in content(client.get(f"{address}&company={book.company.pk}"))
