"""Who may open what. Every address of the product has a declared audience; every role is tried on every page."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from io import StringIO
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Group, Permission
from django.core.cache import cache
from django.core.management import CommandError, call_command
from django.db.models.signals import post_migrate
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from creditdesk.core import roles
from creditdesk.core.audit import Actor
from creditdesk.core.models import AuditEntry, User
from creditdesk.core.money import Money
from creditdesk.roles import ROLES, install_roles
from customers.access import visible_accounts
from customers.approval import propose_limit_change
from customers.holds import place_hold
from customers.models import Access, BureauBasis, CreditHold, LimitChange, Portfolio
from customers.orders import record_order
from tests.factories import ACTOR, invoice

pytestmark = pytest.mark.django_db
DAY = date(2026, 3, 2)

STAFF = frozenset(set(roles.ALL) - {roles.INTEGRATION})
ANYBODY = frozenset(roles.ALL)
MEASURING = frozenset({roles.CONTROLLER, roles.APPROVER, roles.MANAGER, roles.AUDITOR})
PROPOSING = frozenset({roles.CONTROLLER, roles.APPROVER})
CARDS = frozenset({roles.CONTROLLER, roles.MANAGER})
DECIDING_CARDS = frozenset({roles.APPROVER, roles.MANAGER})
REMINDING = frozenset({roles.CONTROLLER, roles.COLLECTOR})
# Addresses anybody may ask, logged in or not: probes, the login itself, the language switch.
PUBLIC = {"healthz", "readyz", "set_language", "?favicon.ico"}

# What the people who handle a credit application post.
WORKED_ON = ("assess", "withdraw", "add_document", "drop_document", "bank_lines")

# Every address outside the admin: who may open it (POST-only addresses: who may post there).
POLICIES = ("policies", "checkpolicies", "termspolicies")
AUDIENCE: dict[str, frozenset[str]] = {
    "root": ANYBODY,
    "profile": ANYBODY,
    "mail_preferences": STAFF,
    "desk:home": STAFF,
    "desk:cover": STAFF,
    "bureau:get": CARDS,
    "bureau:costs": MEASURING,
    "bureau:revoke_basis": frozenset({roles.CONTROLLER}),
    "desk:customers": STAFF,
    "desk:customer": STAFF,
    "desk:would_lift": STAFF,
    "desk:replay": STAFF,
    "desk:score_export": STAFF,
    "desk:changes": frozenset({roles.AUDITOR}),
    "desk:changes_seen": frozenset({roles.AUDITOR}),
    "desk:dismiss_first_steps": ANYBODY,
    **{
        f"kpis:{page}": MEASURING
        for page in ("overview", "accounts", "instalments", "payments", "documents", "promises")
    },
    "limits:inbox": STAFF,
    "limits:decide": STAFF,
    "limits:amend": PROPOSING,
    "limits:comment": PROPOSING,
    "limits:propose": PROPOSING,
    "limits:bulk": frozenset({roles.APPROVER}),
    "limits:delegations": MEASURING,
    "limits:end_delegation": frozenset({roles.APPROVER}),
    "limits:trail": frozenset({roles.AUDITOR}),
    "limits:duties": frozenset({roles.AUDITOR}),
    "limits:holds": STAFF,
    **{f"limits:{page}": STAFF for page in ("reviews", "ending", "causes")},
    **{f"limits:{page}": MEASURING for page in ("bindings", "binding", "binding_company")},
    "limits:confirm": PROPOSING,
    **{f"{kind}:{page}": STAFF for kind in POLICIES for page in ("list", "policy", "compare")},
    **{f"{kind}:{page}": CARDS for kind in POLICIES for page in ("edit", "copy", "delete", "propose")},
    **{f"{kind}:{page}": DECIDING_CARDS for kind in POLICIES for page in ("publish", "send_back")},
    **{f"{kind}:simulate": CARDS | DECIDING_CARDS for kind in POLICIES},
    "limits:place_hold": PROPOSING,
    "limits:release": frozenset({roles.APPROVER}),
    **{f"applications:{page}": MEASURING for page in ("list", "page")},
    **{f"applications:{page}": frozenset({roles.CONTROLLER}) for page in ("new", *WORKED_ON)},
    "applications:propose": PROPOSING,
    **{f"applications:{page}": PROPOSING for page in ("document", "letter")},
    **{f"orders:{page}": STAFF for page in ("queue", "decide", "check")},
    "reviews:queue": PROPOSING,
    "reviews:review": PROPOSING,
    "reviews:words": frozenset({roles.MANAGER}),
    "invoices:estimate": STAFF,
    "invoices:learn": CARDS,
    "reviews:contest": frozenset({roles.CONTROLLER, roles.APPROVER, roles.COLLECTOR}),
    **{f"scorecards:{page}": STAFF for page in ("list", "card", "monitoring", "model_card", "compare")},
    **{
        f"scorecards:{page}": CARDS
        for page in ("copy", "delete", "propose", "numbers", "signal", "newer_cards", "calibrate")
    },
    **{f"scorecards:{page}": DECIDING_CARDS for page in ("publish", "send_back")},
    **{
        f"scorecards:{page}": CARDS | DECIDING_CARDS
        for page in ("measure", "monitor", "measure_pair", "unplan", "beside")
    },
    **{f"scorecards:{page}": PROPOSING for page in ("override", "end_override")},
    "scorecards:gate": frozenset({roles.MANAGER}),
    "dunning:in_doubt": REMINDING,
    "dunning:decide": REMINDING,
    **{f"worklists:{page}": STAFF for page in ("today", "customer", "why_not")},
    **{f"worklists:{page}": frozenset({roles.COLLECTOR}) for page in ("undo", "skip", "act")},
}
# Tried with a body or state of their own in the tests of their app; here only their audience is declared.
TRIED_ELSEWHERE = {
    *("desk:changes_seen", "worklists:undo", "worklists:skip", "worklists:act", "worklists:why_not"),
    *("worklists:customer", "desk:dismiss_first_steps", "dunning:decide"),
    "limits:end_delegation",
    *("desk:would_lift", "desk:replay", "desk:score_export", "reviews:review", "reviews:contest"),
    *("reviews:words", "invoices:estimate"),
    *("applications:page", "applications:propose", "applications:document", "applications:letter"),
    *(f"applications:{page}" for page in WORKED_ON),
    "limits:confirm",
    *(
        f"{kind}:{page}"
        for kind in POLICIES
        for page in (
            "policy",
            "compare",
            "edit",
            "copy",
            "delete",
            "simulate",
            "propose",
            "publish",
            "send_back",
        )
    ),
    *(f"scorecards:{page}" for page in ("card", "copy", "delete", "propose", "numbers", "signal", "publish")),
    *(
        "scorecards:model_card",
        "scorecards:calibrate",
        "scorecards:measure_pair",
        "scorecards:unplan",
        "scorecards:beside",
        "scorecards:beside",
    ),
    *(
        f"scorecards:{page}"
        for page in ("send_back", "measure", "monitor", "override", "end_override", "gate")
    ),
}


def addresses(resolver: Any = None, prefix: str = "", space: str = "") -> Iterator[tuple[str, str]]:
    """(name, pattern) of every address of the project."""
    for entry in (resolver or get_resolver()).url_patterns:
        pattern = prefix + str(entry.pattern)
        if isinstance(entry, URLResolver):
            yield from addresses(entry, pattern, space + (f"{entry.namespace}:" if entry.namespace else ""))
        elif isinstance(entry, URLPattern):
            yield space + (entry.name or f"?{pattern}"), pattern


def test_every_address_outside_the_admin_has_a_declared_audience():
    # The API asks for a key, whoever is logged in (tests/api).
    found = {name for name, pattern in addresses() if not pattern.startswith(("admin/", "api/"))}
    assert found - PUBLIC - AUDIENCE.keys() == set(), "declare who may open it in AUDIENCE"
    assert AUDIENCE.keys() - found == set(), "no such address any more"


@pytest.fixture
def world(cast, settings, refusals_undrawn):
    settings.BUSINESS_DATE = DAY
    cache.clear()
    invoice(cast.account, "100", date(2026, 1, 1))
    cast.change = propose_limit_change(
        cast.account,
        Money.of(1_000, "EUR"),
        actor=Actor.policy("limit policy"),
        as_of=DAY,
        reason_code="first_limit",
    )
    cast.order_hold = record_order(
        cast.account,
        "SO-1",
        Money.of(9_000, "EUR"),
        expected_on=DAY,
        actor=ACTOR,
        on=DAY,
        at=datetime(2026, 3, 2, tzinfo=UTC),
    ).hold
    cast.hold = place_hold(cast.account, reason_code="person", actor=ACTOR, on=DAY)
    cast.basis = BureauBasis.objects.create(
        customer=cast.account.customer, ground="consent", reference="7", effective_on=DAY, known_on=DAY
    )
    return cast


def arguments(name: str, cast: Any) -> list[int]:
    return {
        "desk:customer": [cast.account.customer_id],
        "bureau:get": [cast.account.pk],
        "bureau:revoke_basis": [cast.basis.pk],
        "limits:decide": [cast.change.pk],
        "limits:amend": [cast.change.pk],
        "limits:comment": [cast.change.pk],
        "limits:propose": [cast.account.pk],
        "limits:release": [cast.hold.pk],
        "limits:place_hold": [cast.account.pk],
        "limits:binding": [cast.account.customer_id],
        "limits:binding_company": [cast.company.pk],
        "orders:decide": [cast.order_hold.pk],
        "orders:check": [cast.account.pk],
    }.get(name, [])


def opened(client: Any, name: str, url: str) -> int:
    """The status of opening a page, or of posting nothing where only POST is understood."""
    response = client.get(url)
    return client.post(url).status_code if response.status_code == 405 else response.status_code


# Between them they open every page; whom of the others a page refuses is no question of the database.
WIDEST = (roles.CONTROLLER, roles.APPROVER, roles.AUDITOR)


@pytest.mark.parametrize(
    "role",
    [pytest.param(role, marks=[] if role in WIDEST else pytest.mark.any_database) for role in roles.ALL],
)
def test_every_page_opens_for_its_audience_and_for_nobody_else(world, client, role):
    client.force_login(world.by_role()[role])
    assert all(AUDIENCE[name].intersection(WIDEST) for name in AUDIENCE.keys() - TRIED_ELSEWHERE)
    wrong = []
    for name in sorted(AUDIENCE.keys() - TRIED_ELSEWHERE):
        status = opened(client, name, reverse(name, args=arguments(name, world)))
        allowed = role in AUDIENCE[name]
        if (status in (200, 302, 400)) != allowed or (not allowed and status != 403):
            wrong.append((name, status))
    assert wrong == []


def test_the_auditor_sees_everything_and_changes_nothing(world, client):
    held = world.auditor.get_all_permissions()
    # "kpis.view_kpis" reads as well: every permission of the auditor is a right to look.
    assert all(permission.split(".")[1].startswith("view_") for permission in held)
    apps_seen = {"customers", "scoring", "worklists", "dunning", "core"}
    everything = {
        f"{p.content_type.app_label}.{p.codename}"
        for p in Permission.objects.filter(
            codename__startswith="view_", content_type__app_label__in=apps_seen
        ).select_related("content_type")
    }
    assert everything <= held
    client.force_login(world.auditor)
    before = AuditEntry.objects.count()
    for name, pattern in addresses():
        if (
            pattern.startswith(("admin/", "api/"))
            or name in PUBLIC
            or name in ("profile", "mail_preferences")
        ):
            continue
        args = arguments(name, world)
        if "<" in pattern and not args:
            continue
        client.post(
            reverse(name, args=args),
            {"action": "approve", "reason": "x", "amount": "5", "reason_code": "other", "comment": "x"},
        )
    for model in admin.site._registry:
        url = f"admin:{model._meta.app_label}_{model._meta.model_name}_add"
        assert client.post(reverse(url), {}).status_code == 403, model
    assert AuditEntry.objects.count() == before
    assert LimitChange.objects.get().is_waiting
    assert CreditHold.objects.get().released_on is None


def test_a_strangers_rows_do_not_exist_for_any_role(world, client):
    """The stranger holds every role, in another company: each address with one of our ids answers 404."""
    client.force_login(world.stranger)
    for name in sorted(AUDIENCE):
        args = arguments(name, world)
        if args:
            assert opened(client, name, reverse(name, args=args)) == 404, name
    for name in (
        "limits:inbox",
        "limits:holds",
        "orders:queue",
        "desk:customers",
        "kpis:overview",
        "desk:home",
    ):
        assert world.account.customer.name not in client.get(reverse(name)).content.decode(), name
    for model in admin.site._registry:
        url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        text = client.get(url + "?state=all").content.decode()
        assert world.account.customer.name not in text, model
    assert LimitChange.objects.get().is_waiting


def test_scope_is_company_or_portfolio(cast):
    south = Portfolio.objects.create(company=cast.company, code="south", name="South")
    assert list(visible_accounts(cast.collector)) == [cast.account]
    cast.account.portfolio = south
    cast.account.save()
    assert list(visible_accounts(cast.collector)) == []
    assert list(visible_accounts(cast.controller)) == [cast.account]
    Access.objects.filter(user=cast.controller).delete()
    assert list(visible_accounts(cast.controller)) == []


def test_segregation_of_duties_in_the_ready_roles():
    for role in ROLES.values():
        grants = set(role.grants)
        assert not any("approvalauthority" in grant or "access" in grant for grant in grants), role.name
        assert not any(grant.startswith(("auth.", "core.")) for grant in grants), role.name
        assert "customers.decide_limitchange" not in grants or role.name == roles.APPROVER
        assert not any(grant.startswith("customers.delete_") for grant in grants), role.name


def test_every_grant_names_a_permission_that_exists():
    known = {
        f"{p.content_type.app_label}.{p.codename}" for p in Permission.objects.select_related("content_type")
    }
    for role in ROLES.values():
        views = {"{}.view_{}".format(*view.split(".")) for view in role.views}
        assert set(role.grants) | views <= known, role.name


def test_installing_again_restores_the_ready_groups_and_leaves_others_alone(django_assert_max_num_queries):
    before = {
        group.name: set(group.permissions.values_list("pk", flat=True)) for group in Group.objects.all()
    }
    assert before.keys() == ROLES.keys()
    collector = Group.objects.get(name=roles.COLLECTOR)
    collector.permissions.add(Permission.objects.get(codename="decide_limitchange"))
    collector.permissions.remove(Permission.objects.get(codename="add_promise"))
    own = Group.objects.create(name="our own")
    own.permissions.add(Permission.objects.get(codename="decide_limitchange"))
    for config in apps.get_app_configs():
        install_roles(config)
    after = {group.name: set(group.permissions.values_list("pk", flat=True)) for group in Group.objects.all()}
    assert {name: after[name] for name in before} == before
    assert own.permissions.count() == 1
    assert post_migrate.has_listeners()


def test_add_user_gives_role_and_scope_and_says_what_is_missing(cast):
    def add(*arguments, **options):
        out = StringIO()
        call_command("add_user", *arguments, stdout=out, **options)
        return out.getvalue()

    made = add("nina", "--role", "collector", "--portfolio", "acme/north", "--no-password")
    assert "Created nina: collector in acme/north" in made
    nina = User.objects.get(username="nina")
    assert nina.is_staff and not nina.has_usable_password()
    assert list(visible_accounts(nina)) == [cast.account]
    assert "Extended nina" in add("nina", "--role", "controller", "--company", "other")
    assert set(nina.groups.values_list("name", flat=True)) == {roles.COLLECTOR, roles.CONTROLLER}
    before = AuditEntry.objects.count()
    add("nina", "--role", "controller", "--company", "other")
    assert (Access.objects.filter(user=nina).count(), AuditEntry.objects.count()) == (2, before)
    assert not User.objects.get(username=_robot(add)).is_staff
    for wrong, words in (
        (["--role", "boss"], "no role boss"),
        (["--company", "nowhere"], "no company nowhere"),
        (["--portfolio", "north/north"], "no portfolio north/north"),
    ):
        with pytest.raises(CommandError, match=words):
            add("otto", *wrong, "--no-password")
    assert not User.objects.filter(username="otto").exists()


def _robot(add):
    add("feeder", "--role", "integration", "--company", "acme", "--no-password")
    return "feeder"


def test_a_request_reads_all_rights_at_once_and_keeps_none_of_them(world, django_assert_num_queries):
    from django.contrib.auth.backends import ModelBackend

    from creditdesk.rights import RightsBackend, held_groups
    from customers.access import given_to
    from customers.models import Access

    backend, pk = RightsBackend(), world.collector.pk
    user = backend.get_user(pk)
    with django_assert_num_queries(1):
        permitted, groups, given = backend.get_all_permissions(user), held_groups(user), given_to(user)
        assert user.has_perm("worklists.work_worklist")
    plain = User.objects.get(pk=pk)
    assert permitted == ModelBackend().get_all_permissions(plain)
    assert groups == held_groups(plain) == {roles.COLLECTOR}
    assert given and given == given_to(plain)
    Access.objects.filter(user=pk).delete()
    plain.groups.clear()
    again = backend.get_user(pk)
    assert (backend.get_all_permissions(again), held_groups(again), given_to(again)) == (set(), set(), [])


def test_only_who_was_given_every_company_whole_is_not_filtered_by_account(db):
    from customers.access import sees_all
    from customers.models import Company

    user = User.objects.create_user("nora", password="x")
    one, two = (
        Company.objects.create(code=code, name=code, country="IT", currency="EUR") for code in ("a", "b")
    )
    assert not sees_all(user)
    Access.objects.create(user=user, company=one)
    part = Access.objects.create(
        user=user, company=two, portfolio=Portfolio.objects.create(company=two, code="p", name="P")
    )
    assert not sees_all(user)
    part.delete()
    Access.objects.create(user=user, company=two)
    assert sees_all(user)
    Company.objects.create(code="c", name="c", country="IT", currency="EUR")
    assert not sees_all(user)
