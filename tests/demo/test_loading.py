"""Loading: the same story every time, never over somebody's data, fast, and nothing half done."""

from datetime import date

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import connection

from creditdesk.core.models import User
from creditdesk.demo import bulk, loader
from creditdesk.demo.book import Book
from creditdesk.demo.identity import iban, lei, vat_number
from creditdesk.demo.loader import DemoRefused, load_story, write_story
from creditdesk.demo.models import DemoLoad
from creditdesk.demo.words import COUNTRIES
from customers.models import Company, Customer, Invoice

AS_OF = date(2026, 11, 20)


def digest(as_of=AS_OF, customers=40, seed=1):
    return write_story(as_of, customers, seed, lambda _table, _rows: None).digest


def test_the_same_seed_and_day_make_the_same_story():
    assert digest() == digest()


def test_another_seed_day_or_size_makes_another():
    assert len({digest(), digest(seed=2), digest(as_of=date(2026, 11, 19)), digest(customers=41)}) == 4


def test_every_column_of_the_tables_is_written():
    """A column that another change adds must be filled by the story too, or have a value of its own."""
    for table in Book().tables.values():
        columns = apps.get_model(table.label)._meta.concrete_fields
        fields = {field.attname for field in columns}
        own_value = {field.attname for field in columns if field.null or field.has_db_default()}
        missing = fields - set(table.columns) - {"recorded_at"} - own_value
        assert not missing, f"{table.label}: {missing}"
        assert set(table.columns) <= fields


@pytest.mark.parametrize("code", COUNTRIES)
def test_identifiers_pass_their_check_digits(code):
    from random import Random

    import stdnum.de.vat
    import stdnum.es.nif
    import stdnum.fr.tva
    import stdnum.gb.vat
    import stdnum.iban
    import stdnum.it.iva
    import stdnum.lei

    checks = {
        "IT": stdnum.it.iva,
        "ES": stdnum.es.nif,
        "FR": stdnum.fr.tva,
        "DE": stdnum.de.vat,
        "GB": stdnum.gb.vat,
    }
    rng = Random(7)
    for _n in range(300):
        assert checks[code].is_valid(vat_number(code, rng))
        assert checks[code].is_valid(vat_number(code, rng, is_sole_trader=True))
        assert stdnum.iban.is_valid(iban(code, rng))
        assert stdnum.lei.is_valid(lei(rng))


@pytest.mark.django_db
def test_loading_twice_changes_nothing():
    first = load_story(AS_OF, 30)
    again = load_story(AS_OF, 30)
    assert first.created and not again.created
    assert again.load == first.load and DemoLoad.objects.count() == 1
    assert Customer.objects.count() == 30


@pytest.mark.django_db
def test_another_story_needs_a_reset():
    load_story(AS_OF, 30)
    with pytest.raises(DemoRefused, match="--reset"):
        load_story(AS_OF, 31)
    with pytest.raises(CommandError, match="--reset"):
        call_command("demo", "--no-serve", "--as-of", AS_OF.isoformat(), "--customers", "31")
    assert Customer.objects.count() == 30


@pytest.mark.django_db
def test_a_database_with_other_data_is_refused_and_left_alone():
    Company.objects.create(code="ours", name="Ours")
    with pytest.raises(DemoRefused, match="holds data that is no demo"):
        load_story(AS_OF, 30)
    with pytest.raises(DemoRefused, match="not marked as demo"):
        loader.reset_demo()
    assert not Customer.objects.exists() and not User.objects.filter(username="carla").exists()


@pytest.mark.django_db
def test_somebody_elses_login_is_not_taken_over():
    User.objects.create_user("carla", password="secret")
    with pytest.raises(DemoRefused, match="carla"):
        load_story(AS_OF, 30)
    assert User.objects.get(username="carla").check_password("secret")


@pytest.mark.django_db
def test_production_never_gets_logins_with_a_known_password(settings):
    settings.PRODUCTION = True
    with pytest.raises(DemoRefused, match="production"):
        load_story(AS_OF, 30)
    with pytest.raises(CommandError, match="production"):
        call_command("demo", "--no-serve")


@pytest.mark.django_db
def test_a_load_that_fails_leaves_nothing(monkeypatch):
    monkeypatch.setattr(loader, "give_access", lambda *_args: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        load_story(AS_OF, 30)
    assert not Customer.objects.exists() and not User.objects.exists()


@pytest.mark.django_db
def test_rows_added_later_get_fresh_ids():
    load_story(AS_OF, 30)
    known = set(Customer.objects.values_list("pk", flat=True))
    assert Customer.objects.create(code="X-1", name="Later").pk not in known


@pytest.mark.django_db
def test_a_large_book_keeps_every_index_and_constraint(monkeypatch):
    if connection.vendor != "postgresql":
        pytest.skip("SQLite loads with its indexes in place")

    def schema():
        with connection.cursor() as cursor:
            cursor.execute("SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = current_schema()")
            indexes = set(cursor.fetchall())
            cursor.execute(
                "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid), condeferrable, convalidated "
                "FROM pg_constraint WHERE connamespace = current_schema()::regnamespace"
            )
            return indexes, set(cursor.fetchall())

    before = schema()
    used = []
    plain = bulk.without_indexes
    monkeypatch.setattr(loader, "without_indexes", lambda *args: used.append(1) or plain(*args))
    monkeypatch.setattr(loader, "BULK_FROM", 0)
    load_story(AS_OF, 30)
    assert used and Invoice.objects.exists()
    assert schema() == before
