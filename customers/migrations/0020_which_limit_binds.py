import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

import creditdesk.core.money


class Migration(migrations.Migration):
    dependencies = [
        ("customers", "0019_approval_guards"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="openorder",
            name="product_line",
            field=models.CharField(
                blank=True,
                db_default="",
                help_text="Decides how far ahead the order counts (order horizons).",
                max_length=40,
                verbose_name="product line",
            ),
        ),
        migrations.AddField(
            model_name="reservation",
            name="product_line",
            field=models.CharField(blank=True, db_default="", max_length=40, verbose_name="product line"),
        ),
        migrations.CreateModel(
            name="LimitBinding",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "binds",
                    models.CharField(
                        choices=[
                            ("company", "each company's own limit"),
                            ("total", "the total over our companies"),
                            ("both", "both: the tighter binds"),
                        ],
                        max_length=7,
                        verbose_name="which limit binds",
                    ),
                ),
                ("currency", models.CharField(blank=True, max_length=3, verbose_name="currency")),
                (
                    "ceiling",
                    creditdesk.core.money.MoneyField(
                        blank=True, null=True, verbose_name="most over all our companies"
                    ),
                ),
                ("wanted_from", models.DateField(verbose_name="from")),
                ("reason", models.TextField(verbose_name="reason")),
                ("proposed_on", models.DateField(verbose_name="proposed on")),
                ("proposed_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("waiting", "waiting for a second person"),
                            ("in_force", "decided"),
                            ("rejected", "rejected"),
                        ],
                        default="waiting",
                        max_length=8,
                        verbose_name="status",
                    ),
                ),
                ("decided_on", models.DateField(blank=True, null=True, verbose_name="decided on")),
                ("decided_at", models.DateTimeField(blank=True, null=True)),
                ("decision_reason", models.TextField(blank=True, verbose_name="reason of the decision")),
                ("valid_from", models.DateField(blank=True, null=True, verbose_name="in force from")),
                (
                    "company",
                    models.ForeignKey(
                        blank=True,
                        help_text="For its customers without a setting of their own.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="limit_bindings",
                        to="customers.company",
                        verbose_name="company",
                    ),
                ),
                (
                    "customer",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="limit_bindings",
                        to="customers.customer",
                        verbose_name="customer or group head",
                    ),
                ),
                (
                    "decided_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="decided by",
                    ),
                ),
                (
                    "proposed_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="proposed by",
                    ),
                ),
            ],
            options={
                "verbose_name": "which limit binds",
                "verbose_name_plural": "which limits bind",
                "permissions": [("decide_limitbinding", "Can decide which limit binds")],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("company__isnull", True), ("customer__isnull", False)),
                            models.Q(
                                ("ceiling__isnull", True),
                                ("company__isnull", False),
                                ("customer__isnull", True),
                            ),
                            _connector="OR",
                        ),
                        name="limit_binding_of_one",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("ceiling__isnull", True), ("currency", "")),
                            models.Q(
                                ("ceiling__gt", 0),
                                models.Q(("currency", ""), _negated=True),
                                models.Q(("binds", "company"), _negated=True),
                            ),
                            _connector="OR",
                        ),
                        name="limit_binding_ceiling",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("decided_by", models.F("proposed_by")), _negated=True),
                        name="limit_binding_four_eyes",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("decided_by__isnull", True),
                                ("status", "waiting"),
                                ("valid_from__isnull", True),
                            ),
                            models.Q(
                                ("decided_by__isnull", False),
                                ("status", "in_force"),
                                ("valid_from__gte", models.F("decided_on")),
                                ("valid_from__gte", models.F("wanted_from")),
                            ),
                            models.Q(
                                ("decided_by__isnull", False),
                                ("status", "rejected"),
                                ("valid_from__isnull", True),
                            ),
                            _connector="OR",
                        ),
                        name="limit_binding_decided_whole",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("reason", ""), _negated=True), name="limit_binding_says_why"
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("status", "waiting")),
                        fields=("customer",),
                        name="one_waiting_binding_per_customer",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("status", "waiting")),
                        fields=("company",),
                        name="one_waiting_binding_per_company",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="OrderHorizon",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("effective_on", models.DateField(verbose_name="effective on")),
                ("known_on", models.DateField(verbose_name="known on")),
                ("known_until", models.DateField(blank=True, null=True, verbose_name="known until")),
                (
                    "recorded_at",
                    models.DateTimeField(
                        default=django.utils.timezone.now, editable=False, verbose_name="recorded at"
                    ),
                ),
                (
                    "superseded_at",
                    models.DateTimeField(blank=True, editable=False, null=True, verbose_name="superseded at"),
                ),
                (
                    "product_line",
                    models.CharField(
                        blank=True,
                        help_text="As orders name it. Empty: orders of the segment whose line has no horizon of its own.",
                        max_length=40,
                        verbose_name="product line",
                    ),
                ),
                (
                    "days",
                    models.PositiveSmallIntegerField(
                        blank=True,
                        help_text="Orders to be delivered later than this are not exposure yet. Empty: as the segment.",
                        null=True,
                        verbose_name="order horizon (days)",
                    ),
                ),
                (
                    "segment",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="horizons",
                        to="customers.creditsegment",
                        verbose_name="credit segment",
                    ),
                ),
            ],
            options={
                "verbose_name": "order horizon",
                "verbose_name_plural": "order horizons",
                "indexes": [models.Index(fields=["segment", "effective_on"], name="horizon_of_segment")],
            },
        ),
    ]
