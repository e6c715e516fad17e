"""The admin: facts stay facts, rows of other portfolios do not exist, lists stay cheap."""

from __future__ import annotations

from copy import deepcopy

import pytest
from django.contrib import admin
from django.core.cache import cache
from django.db import connection
from django.test import override_settings
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from customers.admin.base import FactAdmin, ScopedAdmin
from customers.models import (
    CreditAccount,
    Customer,
    FinancialStatement,
    Instalment,
    Invoice,
    LegalEvent,
    LimitChange,
    Payment,
    Promise,
)
from scoring.engine import rescore
from tests.desk_world import TODAY, client_of, fill
from tests.factories import make_account
from tests.people import make_cast

pytestmark = pytest.mark.django_db
STAFF = ("controller", "approver", "collector", "manager", "auditor")
SHOWN = (Customer, CreditAccount, Invoice, Instalment, Payment, Promise, LegalEvent)


@pytest.fixture(scope="module")
def kept_desk(module_database):
    with override_settings(BUSINESS_DATE=TODAY):
        cast = make_cast()
        fill(cast.account, cast.collector)
        fill(cast.elsewhere)
        rescore(TODAY)
        return cast


@pytest.fixture
def desk(kept_desk, db, settings):
    settings.BUSINESS_DATE = TODAY
    cache.clear()
    return deepcopy(kept_desk)


def _url(model, page, *args):
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


def _ours():
    """Models of customers' own admin pages whose rows hang on an account or a customer."""
    for model, page in admin.site._registry.items():
        if isinstance(page, ScopedAdmin) and (
            page.account_path is not None or page.customer_path is not None
        ):
            yield model, page


def _has_buttons(page, request):
    return (
        page.has_add_permission(request) or page.has_change_permission(request) or page.get_actions(request)
    )


@pytest.mark.parametrize("who", (*STAFF, "integration"))
def test_every_list_opens_exactly_for_who_may_view_it(refusals_undrawn, desk, who):
    user = getattr(desk, who)
    client = client_of(user)
    refused = 403 if who in STAFF else 302  # to the login, for who does not work in the pages
    wrong = []
    request = client.get(reverse("profile")).wsgi_request
    for model, page in admin.site._registry.items():
        opts = model._meta
        may = who in STAFF and any(
            user.has_perm(f"{opts.app_label}.{verb}_{opts.model_name}") for verb in ("view", "change")
        )
        if may and who != "auditor" and not (who == "controller" and _has_buttons(page, request)):
            # Drawn for who sees most, and with its buttons for who has most; of the others, whether it lets them in.
            assert page.has_view_or_change_permission(request), opts.label
            continue
        status = client.get(_url(model, "changelist")).status_code
        if status != (200 if may else refused):
            wrong.append((opts.label, status))
    assert wrong == []


@pytest.mark.parametrize("who", STAFF)
def test_every_row_opens_for_who_may(desk, who):
    user = getattr(desk, who)
    client = client_of(user)
    request = client.get(reverse("profile")).wsgi_request
    opened = 0
    for model, page in _ours():
        opts = model._meta
        row = page.get_queryset(request).first()
        if row is None or not user.has_perm(f"{opts.app_label}.view_{opts.model_name}"):
            continue
        opened += 1
        if who != "auditor" and not page.has_change_permission(request, row):
            # Drawn for who reads everything; of the others, whether it lets them in.
            assert page.has_view_permission(request, row), opts.label
            continue
        # A limit change opens on its decision page.
        assert client.get(_url(model, "change", row.pk), follow=True).status_code == 200, opts.label
    assert opened >= 8


def test_amounts_and_years_are_written_as_people_write_them(desk):
    """Digits are grouped once, also in the rows below, and a year is no amount."""
    row = Invoice.objects.filter(account=desk.account).order_by("-amount").first()
    page = client_of(desk.auditor).get(_url(Invoice, "change", row.pk)).content.decode()
    assert page.count(str(row.amount)) >= 2 and ",," not in page
    assert f">{row.fiscal_year}<" in page.replace("\n", "").replace(" ", "")
    assert "How it was sent" in page


@pytest.mark.parametrize(
    ("model", "label"),
    [(LegalEvent, "Happened on"), (FinancialStatement, "Financial year ended on")],
    ids=["event", "accounts"],
)
def test_a_fact_says_what_its_day_is_the_day_of(desk, model, label):
    client, row = client_of(desk.controller), model.objects.first()
    for url in (_url(model, "add"), _url(model, "changelist"), _url(model, "change", row.pk)):
        text = client.get(url).content.decode()
        assert label.lower() in text.lower() and "effective on" not in text.lower(), url


@pytest.mark.parametrize("who", STAFF)
def test_rows_of_another_portfolio_are_404(refusals_undrawn, desk, who):
    user = getattr(desk, who)
    client = client_of(user)
    request = client.get(reverse("profile")).wsgi_request
    tried = 0
    for model, page in _ours():
        path = page.account_path if page.account_path is not None else page.customer_path
        value = desk.elsewhere.pk if page.account_path is not None else desk.elsewhere.customer_id
        row = model.objects.filter(**{path or "pk": value}).first()
        if row is None or not user.has_perm(f"customers.view_{model._meta.model_name}"):
            continue
        tried += 1
        assert page.get_object(request, row.pk) is None, model._meta.label
        if who != "collector":  # the page asks just that, and says 404
            continue
        assert client.get(_url(model, "change", row.pk)).status_code == 404, model._meta.label
        assert client.get(_url(model, "history", row.pk)).status_code == 404, model._meta.label
    assert tried >= 8


def test_lists_leave_out_other_portfolios(desk):
    client = client_of(desk.controller)
    for model in SHOWN:
        page = client.get(_url(model, "changelist"))
        assert desk.elsewhere.customer.name not in page.content.decode(), model._meta.label
        assert page.context["cl"].result_count > 0


def test_autocomplete_offers_only_ones_own_customers(desk):
    client = client_of(desk.controller)
    params = {"app_label": "customers", "model_name": "cover", "field_name": "account", "term": ""}
    found = client.get(reverse("admin:autocomplete"), params).json()["results"]
    assert {row["id"] for row in found} == {str(desk.account.pk)}


def test_facts_cannot_be_added_changed_or_deleted_even_by_a_superuser(refusals_undrawn, desk, admin_client):
    for model, page in admin.site._registry.items():
        if not isinstance(page, FactAdmin):
            continue
        row = model.objects.first()
        if row is None:
            continue
        assert admin_client.post(_url(model, "delete", row.pk), {"post": "yes"}).status_code == 403
        before = model.objects.filter(pk=row.pk).values().get()
        refused = admin_client.post(_url(model, "change", row.pk), {})
        assert refused.status_code == (302 if model is LimitChange else 403)
        assert model.objects.filter(pk=row.pk).values().get() == before
    for model in (Invoice, Instalment, Payment, Promise):
        assert admin_client.get(_url(model, "add")).status_code == 403


def test_a_legal_event_is_recorded_with_its_consequences(desk):
    client = client_of(desk.controller)
    data = {
        "customer": desk.account.customer_id,
        "kind": "insolvency",
        "source": "Registro imprese",
        "link": "",
        "ended_on": "",
        "effective_on": TODAY.isoformat(),
        "known_on": TODAY.isoformat(),
    }
    early = {**data, "effective_on": "2026-11-25"}
    refused = client.post(_url(LegalEvent, "add"), early)
    assert refused.status_code == 200
    assert "cannot be known before it happens" in refused.content.decode()
    assert client.post(_url(LegalEvent, "add"), data).status_code == 302
    assert Customer.objects.get(pk=desk.account.customer_id).status == "insolvent"


def test_the_stranger_cannot_be_given_a_fact_by_form(desk):
    data = {
        "customer": desk.elsewhere.customer_id,
        "kind": "lien",
        "source": "register",
        "effective_on": TODAY.isoformat(),
        "known_on": TODAY.isoformat(),
    }
    before = LegalEvent.objects.count()
    assert client_of(desk.controller).post(_url(LegalEvent, "add"), data).status_code == 200
    assert LegalEvent.objects.count() == before


def test_assigning_a_collector_records_the_day(desk):
    client = client_of(desk.controller)
    url = _url(CreditAccount, "change", desk.account.pk)
    data = {"portfolio": desk.portfolio.pk, "collector": desk.manager.pk}
    for inline in client.get(url).context["inline_admin_formsets"]:
        prefix = inline.formset.prefix
        data |= {f"{prefix}-TOTAL_FORMS": "0", f"{prefix}-INITIAL_FORMS": "0"}
    assert client.post(url, data).status_code == 302
    desk.account.refresh_from_db()
    assert desk.account.collector == desk.manager
    latest = desk.account.collector_assignments.order_by("-effective_on", "-pk").first()
    assert (latest.collector, latest.effective_on) == (desk.manager, TODAY)


def test_queries_of_lists_do_not_grow_with_rows(desk):
    client = client_of(desk.controller)
    lists = {model: _url(model, "changelist") for model in SHOWN}

    def queries(url):
        cache.clear()
        with CaptureQueriesContext(connection) as captured:
            assert client.get(url).status_code == 200
        return len(captured)

    for url in lists.values():
        client.get(url)
    before = {model: queries(url) for model, url in lists.items()}
    for number in range(4):
        fill(make_account(desk.company, f"More {number}", portfolio=desk.portfolio), desk.manager)
    for model, url in lists.items():
        assert queries(url) <= before[model], model._meta.label
        assert before[model] < 25, model._meta.label


@pytest.mark.parametrize(
    ("query", "found"),
    [("overdue=any", True), ("overdue=90", False), ("overdue=no", False), ("grade=none", False)],
)
def test_filters_of_credit_accounts(desk, query, found):
    page = client_of(desk.controller).get(_url(CreditAccount, "changelist") + f"?{query}")
    assert (desk.account in set(page.context["cl"].result_list)) is found


def test_history_is_the_audit_trail_of_the_row(desk):
    url = _url(Customer, "history", desk.account.customer_id)
    target = client_of(desk.auditor).get(url).url
    assert f"subject_pk__exact={desk.account.customer_id}" in target
    page = client_of(desk.auditor).get(target)
    assert page.status_code == 200
    assert {entry.subject_pk for entry in page.context["cl"].result_list} == {str(desk.account.customer_id)}
    assert client_of(desk.collector).get(url).status_code == 403
