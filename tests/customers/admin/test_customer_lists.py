"""Lists of customers in and out of the admin: scope, errors by field, formulas, the trail."""

from __future__ import annotations

import pytest
import tablib
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from creditdesk.core.models import AuditEntry
from customers.models import Customer, StatusChange
from customers.resources import CustomerResource
from tests.desk_world import TODAY, client_of
from tests.factories import make_account

pytestmark = pytest.mark.django_db
VAT = "IT00743110157"


@pytest.fixture(autouse=True)
def today(settings):
    settings.BUSINESS_DATE = TODAY


def export(user, file_format="0"):
    fields = {f"customerresource_{name}": "on" for name in CustomerResource().get_export_order()}
    answer = client_of(user).post(
        reverse("admin:customers_customer_export"), {"format": file_format, "resource": "0", **fields}
    )
    assert answer.status_code == 200
    return tablib.Dataset().load(answer.content.decode("utf-8-sig"), format="csv")


def bring(user, *rows):
    resource = CustomerResource(user=user)
    headers = list(dict.fromkeys(name for row in rows for name in row))
    data = tablib.Dataset(*[[row.get(name, "") for name in headers] for row in rows], headers=headers)
    return resource.import_data(data, raise_errors=False, rollback_on_validation_errors=True)


def errors(result):
    return {name: texts for row in result.invalid_rows for name, texts in row.error.message_dict.items()}


def test_the_export_holds_the_user_s_own_customers_and_no_formula(cast):
    Customer.objects.filter(pk=cast.account.customer_id).update(name='=HYPERLINK("x")', city="-1+1")
    table = export(cast.controller)
    codes = set(table["code"])
    assert cast.account.customer.code in codes and cast.elsewhere.customer.code not in codes
    mine = table.dict[table["code"].index(cast.account.customer.code)]
    assert (mine["name"], mine["city"]) == ('\'=HYPERLINK("x")', "'-1+1")
    assert set(export(cast.stranger)["code"]) == {cast.elsewhere.customer.code}


def test_what_was_exported_comes_back_unchanged(cast):
    Customer.objects.filter(pk=cast.account.customer_id).update(name="=cmd", country="IT")
    result = bring(cast.controller, *[dict(row) for row in export(cast.controller).dict])
    assert not result.has_errors() and not result.has_validation_errors()
    assert result.totals["skip"] == len(result.rows) > 0
    assert Customer.objects.get(pk=cast.account.customer_id).name == "=cmd"
    assert not AuditEntry.objects.filter(act="customer.import").exists()


def test_customers_are_made_and_changed_with_one_act_in_the_trail(cast):
    code = cast.account.customer.code
    result = bring(
        cast.controller,
        {"code": code, "name": "New name", "country": "it", "vat_number": "00743110157"},
        {"code": "N-1", "name": "Newcomer", "country": "IT", "vat_number": ""},
    )
    assert not result.has_errors() and not result.has_validation_errors()
    changed, made = Customer.objects.get(code=code), Customer.objects.get(code="N-1")
    assert (changed.name, changed.country, changed.vat_number) == ("New name", "IT", VAT)
    assert StatusChange.objects.get(customer=made).status == "active"
    entry = AuditEntry.objects.get(act="customer.import")
    assert "New name" not in str(entry.changes.values_list("after")) and entry.changes.count() == 2


def test_bad_rows_name_field_and_cure_and_nothing_is_stored(cast):
    other = cast.elsewhere.customer.code
    result = bring(
        cast.controller,
        {"code": "N-1", "name": "Good", "vat_number": "", "country": "IT", "lei": "", "kind": "company"},
        {
            "code": "N-2",
            "name": "",
            "vat_number": "IT00743110158",
            "country": "ITA",
            "lei": "x",
            "kind": "duke",
        },
        {"code": other, "name": "Taken", "vat_number": "", "country": "", "lei": "", "kind": "company"},
    )
    found = errors(result)
    assert set(found) == {"name", "vat_number", "country", "lei", "kind", "code"}
    assert "leave the cell empty" in found["vat_number"][0] and "use another number" in found["code"][0]
    assert not Customer.objects.filter(code__in=["N-1", "N-2"]).exists()
    assert Customer.objects.get(code=other).name != "Taken"


def test_the_number_of_queries_to_check_a_list_does_not_grow(cast):
    accounts = [make_account(cast.company) for _n in range(30)]
    rows = [{"code": a.customer.code, "name": a.customer.name, "country": ""} for a in accounts]
    with CaptureQueriesContext(connection) as queries:
        assert bring(cast.controller, *rows).totals["skip"] == 30
    asked = [q["sql"] for q in queries if "SAVEPOINT" not in q["sql"]]
    assert len(asked) <= 8, asked


def test_preview_then_confirm_in_the_admin(cast):
    client = client_of(cast.controller)
    url = reverse("admin:customers_customer_import")
    assert client.get(url).status_code == 200
    file = SimpleUploadedFile("list.csv", b"code,name,country\nN-1,Newcomer,IT\n", "text/csv")
    preview = client.post(url, {"import_file": file, "format": "0", "resource": "0"})
    assert preview.status_code == 200 and not Customer.objects.filter(code="N-1").exists()
    confirm = preview.context["confirm_form"]
    done = client.post(reverse("admin:customers_customer_process_import"), confirm.initial)
    assert done.status_code == 302 and Customer.objects.filter(code="N-1").exists()


@pytest.mark.parametrize("role", ["collector", "auditor", "approver", "manager"])
def test_only_who_may_add_and_change_customers_may_import_them(cast, role):
    client = client_of(getattr(cast, role))
    assert client.get(reverse("admin:customers_customer_import")).status_code == 403
