"""Every page of the desk: who may open it, whose customers it shows, and how many queries it takes."""

from __future__ import annotations

from copy import deepcopy
from datetime import timedelta

import pytest
from django.contrib import admin
from django.core.cache import cache
from django.db import connection
from django.test import override_settings
from django.test.utils import CaptureQueriesContext
from django.urls import resolve, reverse

from creditdesk.core import roles
from creditdesk.core.models import AuditEntry
from creditdesk.desk.customer_tabs import TABS
from creditdesk.desk.landing import role_home, role_of
from creditdesk.navigation import sidebar
from scoring.engine import rescore
from tests.desk_world import TODAY, client_of, fill
from tests.factories import invoice, pay
from tests.people import make_cast
from tests.project.test_roles import AUDIENCE

pytestmark = pytest.mark.django_db
STAFF = ("controller", "approver", "collector", "manager", "auditor")
PANEL = {"HX-Request": "true", "HX-Target": "panel"}


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


def _customer(shown, **params):
    query = "&".join(f"{key}={value}" for key, value in params.items())
    return reverse("desk:customer", args=[shown.customer_id]) + (f"?{query}" if query else "")


@pytest.mark.parametrize("who", STAFF)
def test_each_role_opens_its_home_the_list_and_the_customer(desk, who):
    client = client_of(getattr(desk, who))
    assert client.get("/").url == role_home(role_of(getattr(desk, who)))
    for url in (reverse("desk:home"), reverse("desk:customers"), reverse("profile"), _customer(desk.account)):
        assert client.get(url).status_code == 200, url


@pytest.mark.parametrize("who", STAFF)
def test_every_tab_opens_or_falls_back_to_what_the_role_may_read(desk, who):
    """The panel alone, as a click on a tab asks for it: the page around it is the same for each (see the queries)."""
    user = getattr(desk, who)
    client = client_of(user)
    for tab in TABS:
        response = client.get(_customer(desk.account, account=desk.account.pk, tab=tab.slug), headers=PANEL)
        assert response.status_code == 200
        assert (response.context["tab"].slug == tab.slug) == user.has_perm(tab.permission), tab.slug


@pytest.mark.parametrize("who", STAFF)
def test_a_strangers_customer_does_not_exist(desk, who):
    client = client_of(getattr(desk, who))
    assert client.get(_customer(desk.elsewhere)).status_code == 404
    # Nor does the stranger's account under a customer one may see.
    assert client.get(_customer(desk.account, account=desk.elsewhere.pk)).status_code == 404
    page = client.get(reverse("desk:customers"))
    names = {row.customer.name for row in page.context["rows"]}
    assert desk.account.customer.name in names
    assert desk.elsewhere.customer.name not in names
    assert desk.elsewhere.customer.name not in client.get(reverse("desk:home")).content.decode()


def test_integration_clients_and_anonymous_visitors_stay_outside(desk, client):
    machine = client_of(desk.integration)
    for url in (reverse("desk:home"), reverse("desk:customers"), _customer(desk.account)):
        assert machine.get(url).status_code == 403
        assert client.get(url).url.startswith(reverse("admin:login"))
    assert client.get("/").url.startswith(reverse("admin:login"))


@pytest.mark.any_database
def test_htmx_gets_the_panel_alone(desk):
    client = client_of(desk.controller)
    url = _customer(desk.account, tab="payments")
    whole = client.get(url).content.decode()
    part = client.get(url, headers=PANEL)
    assert "<html" in whole and "<html" not in part.content.decode()
    assert "HX-Request" in part.headers["Vary"]


def test_the_customer_page_says_what_is_true(desk):
    page = client_of(desk.controller).get(_customer(desk.account))
    now = page.context["now"]
    assert now.exposure.overdue.minor == 70000
    assert now.exposure.oldest_days_past_due == 40
    assert [money.minor for _label, money in now.ageing] == [30000, 0, 70000, 0, 0]
    assert now.disputed.minor == 10000
    assert now.overdue_items == 1
    assert [promise.amount.minor for promise in now.promises] == [40000]
    why = page.context["why"]
    parts = sum(item.points for item in (*why.helping, *why.hurting))
    assert why.base_points + parts + why.unknown + why.others == now.score.score
    assert f"Why {now.score.score}" in page.content.decode()
    assert "uncalibrated" in page.content.decode()


def test_a_limit_of_zero_is_not_no_limit(desk):
    from creditdesk.core.audit import Actor
    from creditdesk.core.money import Money
    from customers.approval import apply_automatic_cut

    apply_automatic_cut(
        desk.account,
        Money.zero(desk.account.currency),
        actor=Actor.policy("test"),
        on=TODAY,
        reason_code="insolvency",
        params={},
        evidence={},
    )
    page = client_of(desk.controller).get(_customer(desk.account))
    assert page.context["now"].limit.minor == 0
    assert "no limit set" not in page.content.decode()


def _queries(client, url):
    cache.clear()
    with CaptureQueriesContext(connection) as queries:
        assert client.get(url).status_code == 200
    return len(queries)


def test_queries_of_the_customer_page_do_not_grow_with_its_rows(desk):
    client = client_of(desk.auditor)
    pages = {tab.slug: _customer(desk.account, tab=tab.slug, show="all") for tab in TABS}

    def more(weeks):
        for week in weeks:
            row = invoice(desk.account, "100.00", TODAY - timedelta(days=90 + week))
            pay(row, TODAY - timedelta(days=30 + week))
        fill(desk.account, decisions=False)

    more(range(1))
    client.get(pages["invoices"])
    for url in pages.values():
        client.get(url, headers=PANEL)
    before = {tab: _queries(client, url) for tab, url in pages.items()}
    more(range(1, 7))
    for tab, url in pages.items():
        assert _queries(client, url) <= before[tab], tab
        # The limits tab works out the recommended limit with every cap and gate.
        assert before[tab] < (66 if tab == "limits" else 60), tab


def test_queries_of_home_and_list_do_not_grow_with_customers(desk):
    from tests.factories import make_account

    client = client_of(desk.controller)
    pages = [reverse(name) for name in ("desk:home", "desk:customers")]
    for url in pages:
        client.get(url)
    before = {url: _queries(client, url) for url in pages}
    for number in range(5):
        fill(make_account(desk.company, f"More {number}", portfolio=desk.portfolio))
    for url in pages:
        assert _queries(client, url) <= before[url], url


def test_the_list_finds_by_name_number_vat_and_document(desk):
    customer = desk.account.customer
    customer.vat_number = "IT00743110157"
    customer.save()
    document = desk.account.instalments.first().invoice.number
    client = client_of(desk.controller)
    for words in (customer.name[:6], customer.code, "IT00743", document):
        rows = client.get(reverse("desk:customers"), {"q": words}).context["rows"]
        assert desk.account.pk in {row.pk for row in rows}, words
    assert not client.get(reverse("desk:customers"), {"q": "nobody of that name"}).context["rows"]


@pytest.mark.parametrize(
    ("params", "found"),
    [
        ({"overdue": "30"}, True),
        ({"overdue": "90"}, False),
        ({"grade": "none"}, False),
        ({"status": "active"}, True),
        ({"status": "insolvent"}, False),
        ({"collector": "none"}, False),
    ],
)
def test_the_filters_of_the_list(desk, params, found):
    rows = client_of(desk.controller).get(reverse("desk:customers"), params).context["rows"]
    assert (desk.account.pk in {row.pk for row in rows}) is found


def test_the_auditor_lands_on_what_changed_and_marks_it_seen(desk):
    client = client_of(desk.auditor)
    page = client.get(reverse("desk:home"))
    shown = list(page.context["page"])
    assert shown and page.context["first_visit"]
    seen = client.post(reverse("desk:changes_seen"), {"until": shown[0].at.isoformat()})
    assert seen.status_code == 302
    assert not list(client.get(reverse("desk:changes")).context["page"])
    assert client_of(desk.controller).get(reverse("desk:changes")).status_code == 403


@pytest.mark.any_database
def test_the_language_is_kept_with_the_person_and_followed(desk):
    client = client_of(desk.manager)
    response = client.post(reverse("set_language"), {"language": "it", "next": reverse("desk:home")})
    assert response.status_code == 302
    desk.manager.refresh_from_db()
    assert desk.manager.language == "it"
    assert '<html lang="it"' in client.get(reverse("desk:home")).content.decode()
    client.post(reverse("profile"), {"language": "fr", "first_name": "B", "last_name": "", "email": ""})
    assert '<html lang="fr"' in client.get(reverse("profile")).content.decode()
    assert client.post(reverse("set_language"), {"language": "xx"}).status_code == 302
    desk.manager.refresh_from_db()
    assert desk.manager.language == "fr"


@pytest.mark.any_database
def test_the_menu_offers_only_what_opens(desk):
    """Who may open what is tried page by page in test_roles.py and, for the admin's lists, in test_admin.py."""
    for who in STAFF:
        user = getattr(desk, who)
        client = client_of(user)
        request = client.get(reverse("desk:home")).wsgi_request
        groups = sidebar(request)
        # What is open at first fits a screen, whatever else a person may open; folded groups say what waits in them.
        shown = sum(len(group["items"]) for group in groups if group["open"])
        assert shown <= 20, (who, shown)
        for group in groups:
            waiting = sum(item.get("badge", 0) for item in group["items"])
            assert not group["collapsible"] or group.get("badge", 0) == waiting, (who, group["title"])
        for group in groups:
            for item in group["items"]:
                found = resolve(item["link"].split("?")[0])
                if found.app_name == "admin" and found.url_name.endswith("_changelist"):
                    app, model, _page = found.url_name.rsplit("_", 2)
                    may = any(user.has_perm(f"{app}.{verb}_{model}") for verb in ("view", "change"))
                elif found.view_name in AUDIENCE:
                    may = role_of(user) in AUDIENCE[found.view_name]
                else:
                    may = client.get(item["link"]).status_code == 200
                assert may, (who, item["link"])


def test_badges_count_what_waits_for_this_person(desk):
    from creditdesk.navigation import counts

    assert counts(desk.approver)["proposals"] == 1
    assert counts(desk.approver)["holds"] == 1
    assert "proposals" not in counts(desk.integration) or not desk.integration.is_staff
    with CaptureQueriesContext(connection) as again:
        counts(desk.approver)
    assert len(again) == 0


@pytest.mark.any_database
def test_roles_have_homes_and_error_pages_speak(desk, client):
    assert role_of(desk.auditor) == roles.AUDITOR
    response = client.get("/no-such-page/")
    assert response.status_code == 404
    assert "There is no such page" in response.content.decode()
    refused = client_of(desk.collector).get(reverse("desk:changes"))
    assert refused.status_code == 403
    assert "You may not open this" in refused.content.decode()


@pytest.mark.any_database
def test_pages_carry_one_main_landmark_a_skip_link_and_no_inline_script(desk):
    client = client_of(desk.controller)
    for url in (reverse("desk:home"), reverse("desk:customers"), _customer(desk.account)):
        text = client.get(url).content.decode()
        assert text.count("<main") == 1
        assert 'class="d-skip"' in text
        inside = text[text.index("<main") : text.index("</main>")]
        assert "<script" not in inside
        assert " style=" not in inside
        assert " onclick=" not in inside


# Models without a page of their own: shown inside another's, or machinery nobody opens.
HIDDEN = {
    # What people are told, as codes: its mails have a page, and each person's choices are on theirs.
    *("core.Notice", "core.NoticeCopy", "core.MailPreference"),
    "api.ApiMinute",  # what the throttle counts with
    "api.IdempotentAnswer",  # answers of clients, kept for a while; nobody reads them but the same client
    "api.ScoringJobRow",  # read by the client
    "scoring.PeerFigure",  # what signals compare with; shown by their sentences
    "scoring.ScorecardEditor",  # says who may not publish; shown by the refusal
    "customers.BureauAnswer",  # shown with its question
    # Read on the page of their application.
    "customers.ApplicationDocument",
    "customers.ApplicationDocumentPart",
    "scoring.DecisionLetter",
    "scoring.BesideScore",  # told by the comparison and the monthly validation
    "scoring.InvoiceLevel",  # how the book moved against the card on a day; told by the estimates' own line
    "scoring.BookFigure",  # what a decision compares with; shown by its caps
    "scoring.TermsPolicyGrade",
    "scoring.CheckRule",  # part of its policy
    # A file between preview and confirmation: nobody looks at it, the next upload sweeps it.
    "customers.ImportUpload",
    "customers.LimitBinding",  # a page of its own
    "customers.ImportUploadPart",
    "admin.LogEntry",
    "auth.Permission",
    "contenttypes.ContentType",
    "sessions.Session",
    "core.AuditChange",
    "core.AuditNote",
    "core.SealedEntry",
    "axes.AccessAttemptExpiration",
    "customers.Access",
    "customers.CollectorAssignment",
    "customers.Contact",
    "customers.CustomerKey",
    "customers.DisputeItem",
    "customers.GroupMembership",
    "customers.LimitChangeComment",
    "customers.LimitReminder",  # counted in the inbox and the trail
    "customers.PaymentTerms",
    "customers.PromiseItem",
    "customers.PromiseMove",
    "customers.StatusChange",
    "demo.DemoLoad",
    "django_q.Task",
    "dunning.ReminderItem",
    "kpis.Kpi",
    "scoring.DirtyAccount",
    "scoring.LimitPolicyCause",
    # Says who may not publish; shown by the refusal.
    *("scoring.LimitPolicyEditor", "scoring.CheckPolicyEditor", "scoring.TermsPolicyEditor"),
    *("scoring.CheckPolicyReport", "scoring.TermsPolicyReport"),  # shown with their policy
    "scoring.LimitPolicyGrade",
    "scoring.ScorecardBin",
    "worklists.PendingAccount",
}


@pytest.mark.any_database
def test_every_model_has_an_admin_page_or_is_hidden_on_purpose():
    from django.apps import apps

    registered = {model._meta.label for model in admin.site._registry}
    missing = {model._meta.label for model in apps.get_models()} - registered - HIDDEN
    assert not missing, f"Register these with unfold's ModelAdmin, or hide them on purpose: {sorted(missing)}"
    assert not registered & HIDDEN


@pytest.mark.any_database
def test_every_admin_page_is_themed():
    from unfold.admin import ModelAdmin

    plain = [
        model._meta.label for model, page in admin.site._registry.items() if not isinstance(page, ModelAdmin)
    ]
    assert not plain


def test_the_trail_names_every_change_made_in_the_admin(desk):
    client = client_of(desk.controller)
    url = reverse("admin:customers_customer_change", args=[desk.account.customer_id])
    form = client.get(url).context["adminform"].form
    data = {name: form[name].value() if form[name].value() is not None else "" for name in form.fields}
    inlines = client.get(url).context["inline_admin_formsets"]
    for inline in inlines:
        prefix = inline.formset.prefix
        data |= {f"{prefix}-TOTAL_FORMS": "0", f"{prefix}-INITIAL_FORMS": "0"}
    data |= {"sector": "46.9", "status": "on_hold"}
    assert client.post(url, data).status_code == 302
    customer = type(desk.account.customer).objects.get(pk=desk.account.customer_id)
    assert (customer.sector, customer.status) == ("46.9", "on_hold")
    assert customer.status_changes.filter(status="on_hold", effective_on=TODAY).count() == 1
    acts = set(AuditEntry.objects.filter(actor=desk.controller).values_list("act", flat=True))
    assert {"customer.change", "customer.status"} <= acts
