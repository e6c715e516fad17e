"""The ready roles and what each may do, as data; installed as Django groups after every migrate.

A role says *what* somebody may do; *on which customers* is said by Access rows (customers/access.py). The ready
groups are exactly what stands here: after a change to one of them in the admin, the next migrate puts it back.
Whoever needs something else makes a group of their own, which is never touched.

Nobody but a superuser gives permissions, companies or approval authority: who decides about limits must not be
able to widen their own authority (segregation of duties).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.apps import AppConfig
from django.contrib.auth.management import create_permissions
from django.contrib.auth.models import Group, Permission
from django.db import DEFAULT_DB_ALIAS, transaction

from creditdesk.core import roles as names

DESK = ("customers", "scoring", "worklists", "dunning")

# What a person who works with customers reads on the customer page and its tabs.
CUSTOMER_FACTS = (
    *("customer", "customerkey", "contact", "creditaccount", "statuschange", "groupmembership"),
    *("paymentterms", "collectorassignment", "company", "creditsegment", "portfolio", "source"),
    *("invoice", "instalment", "payment", "allocation", "writeoff", "promise", "promiseitem", "promisemove"),
    *("dispute", "disputeitem", "dunningblock", "legalevent", "openorder", "delivery", "cover"),
    *("creditlimit", "limitchange", "credithold", "orderhold", "reservation"),
    *("billedpart", "covernotice", "bureaureport"),
)


@dataclass(frozen=True)
class Role:
    """reads: apps all of whose records may be looked at; views: single models; grants: everything else.

    `views` are "app.model", `grants` "app.codename". `is_staff`: works in the pages (an integration does not).
    """

    name: str
    reads: tuple[str, ...] = ()
    views: tuple[str, ...] = ()
    grants: tuple[str, ...] = ()
    is_staff: bool = True

    def holds(self, app_label: str, codename: str) -> bool:
        if f"{app_label}.{codename}" in self.grants:
            return True
        verb, _, model = codename.partition("_")
        return verb == "view" and (app_label in self.reads or f"{app_label}.{model}" in self.views)


def _customers(verbs: str, *models: str) -> tuple[str, ...]:
    return tuple(f"customers.{verb}_{model}" for model in models for verb in verbs.split())


MASTER_DATA = (
    *_customers("add change", "customer", "customerkey", "contact", "creditaccount", "portfolio"),
    *_customers("add", "statuschange", "groupmembership", "paymentterms", "collectorassignment"),
    *_customers("add", "legalevent", "cover", "openorder", "delivery", "financialstatement"),
    *_customers("add", "covernotice", "orderhorizon"),
    "customers.change_cover",
    *_customers("add", "supplierpaymentdays"),
    *_customers("add change", "bankconsent", "bureaubasis"),
    # Asking an agency costs money.
    *_customers("add", "bureaupull"),
)
IMPORTING = (
    *_customers("add change", "importmapping", "source"),
    *_customers("add change", "importbatch"),
    *_customers("add", "exchangerate"),
)
COLLECTING = (
    *_customers("add change", "contact", "promise", "dispute", "dunningblock"),
    "scoring.contest_score",
    "worklists.work_worklist",
    "dunning.resolve_reminder",
)

ROLES = {
    role.name: role
    for role in (
        Role(
            names.CONTROLLER,
            reads=DESK,
            views=("django_q.schedule", "core.customer_trail"),
            grants=(
                *MASTER_DATA,
                *IMPORTING,
                *_customers("add change", "dispute", "promise", "dunningblock"),
                "customers.propose_limitchange",
                "customers.add_limitbinding",
                "customers.handle_application",
                "scoring.decide_credit",
                "customers.add_credithold",
                "customers.decide_orderhold",
                "scoring.propose_checkpolicy",
                "scoring.propose_limitpolicy",
                "scoring.propose_termspolicy",
                "scoring.propose_scorecard",
                "scoring.override_score",
                "scoring.review_score",
                "scoring.contest_score",
                "dunning.add_remindertemplate",
                "dunning.change_remindertemplate",
                "dunning.resolve_reminder",
                "kpis.view_kpis",
            ),
        ),
        Role(
            names.APPROVER,
            reads=DESK,
            grants=(
                "customers.propose_limitchange",
                "customers.decide_limitchange",
                "customers.add_limitbinding",
                "customers.decide_limitbinding",
                "scoring.decide_credit",
                "customers.add_credithold",
                "customers.change_credithold",
                "customers.decide_orderhold",
                "scoring.publish_checkpolicy",
                "scoring.publish_limitpolicy",
                "scoring.publish_scorecard",
                "scoring.publish_termspolicy",
                "scoring.override_score",
                "scoring.review_score",
                "scoring.contest_score",
                "kpis.view_kpis",
            ),
        ),
        Role(
            names.COLLECTOR,
            reads=("scoring", "worklists", "dunning"),
            views=tuple(f"customers.{model}" for model in CUSTOMER_FACTS),
            grants=COLLECTING,
        ),
        Role(
            names.MANAGER,
            reads=DESK,
            grants=(
                "customers.add_collectorassignment",
                *_customers("add", "bureaupull"),
                *_customers("add change", "bureauprovider"),
                "scoring.erase_words",
                *(
                    f"scoring.{verb}_{kind}"
                    for kind in ("checkpolicy", "limitpolicy", "scorecard", "termspolicy")
                    for verb in ("propose", "publish")
                ),
                "scoring.add_publishinggate",
                "kpis.view_kpis",
            ),
        ),
        Role(
            names.AUDITOR,
            reads=(*DESK, "core", "auth", "django_q", "api"),
            grants=("kpis.view_kpis",),
        ),
        Role(
            names.INTEGRATION,
            views=tuple(f"customers.{model}" for model in CUSTOMER_FACTS),
            grants=(
                *_customers("add", "importbatch"),
                "customers.view_importbatch",
                # Through the API only (its keys have scopes besides): the pages are for staff.
                *_customers("add", "legalevent"),
                *_customers("view add", "financialstatement"),
                *_customers("view add change", "bankconsent"),
                "customers.propose_limitchange",
                "customers.add_reservation",
                "customers.add_bureaupull",
                "customers.add_creditapplication",
                "customers.view_creditapplication",
                "scoring.add_decision",
                "scoring.view_decision",
                "api.add_scoringjob",
            ),
            is_staff=False,
        ),
    )
}


def install_roles(
    app_config: AppConfig,
    using: str = DEFAULT_DB_ALIAS,
    verbosity: int = 0,
    interactive: bool = False,
    **kwargs: Any,
) -> None:
    """post_migrate receiver: give the ready groups their permissions on the models of `app_config`, no others.

    Idempotent; safe when several hosts migrate at once (inserts ignore what is there).
    """
    apps = kwargs.get("apps")
    if apps is not None and not _migrated(apps, app_config):
        return
    # The order in which receivers of post_migrate run is nobody's business: make sure the permissions exist.
    create_permissions(app_config, verbosity=0, interactive=False, using=using)
    permissions = list(
        Permission.objects.using(using)
        .filter(content_type__app_label=app_config.label)
        .values_list("pk", "codename")
    )
    through = Group.permissions.through
    with transaction.atomic(using=using):
        Group.objects.using(using).bulk_create([Group(name=name) for name in ROLES], ignore_conflicts=True)
        groups = dict(Group.objects.using(using).filter(name__in=ROLES).values_list("name", "pk"))
        wanted = {
            (groups[name], pk)
            for name, role in ROLES.items()
            for pk, codename in permissions
            if role.holds(app_config.label, codename)
        }
        rows = through.objects.using(using).filter(
            group_id__in=groups.values(), permission__content_type__app_label=app_config.label
        )
        held = {(group_id, permission_id): pk for pk, group_id, permission_id in rows.values_list()}
        surplus = [pk for pair, pk in held.items() if pair not in wanted]
        if surplus:
            through.objects.using(using).filter(pk__in=surplus).delete()
        through.objects.using(using).bulk_create(
            [through(group_id=group, permission_id=permission) for group, permission in wanted - held.keys()],
            ignore_conflicts=True,
        )


def _migrated(apps: Any, app_config: AppConfig) -> bool:
    """False while migrating backwards past the tables of auth: there is nothing to write to."""
    try:
        apps.get_model("auth", "Permission")
        apps.get_app_config(app_config.label)
    except LookupError:
        return False
    return True
