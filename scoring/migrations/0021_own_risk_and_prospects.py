from decimal import Decimal

from django.db import migrations, models

import creditdesk.core.money


class Migration(migrations.Migration):
    dependencies = [
        ("scoring", "0020_version_guards"),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="checkrule",
            name="check_rule_has_its_threshold",
        ),
        migrations.RemoveConstraint(
            model_name="checkrule",
            name="check_rule_orderer_without_money",
        ),
        migrations.AddField(
            model_name="termspolicy",
            name="currency",
            field=models.CharField(default="EUR", max_length=3, verbose_name="currency"),
        ),
        migrations.AddField(
            model_name="termspolicy",
            name="prospect_amount",
            field=creditdesk.core.money.MoneyField(
                blank=True,
                help_text="Companies without payment history whose accounts, bank flows and registers speak for them. Empty: a person decides always.",
                null=True,
                verbose_name="prospects approved by rule up to",
            ),
        ),
        migrations.AddField(
            model_name="termspolicy",
            name="prospect_grade",
            field=models.CharField(
                choices=[
                    ("A", "A: pays as agreed"),
                    ("B", "B: pays with small delays"),
                    ("C", "C: pays late"),
                    ("D", "D: pays very late or in doubt"),
                    ("E", "E: likely not to pay"),
                ],
                default="B",
                max_length=1,
                verbose_name="prospects by rule: worst grade",
            ),
        ),
        migrations.AddField(
            model_name="termspolicy",
            name="prospect_z",
            field=models.DecimalField(
                decimal_places=2,
                default=Decimal("2.60"),
                max_digits=4,
                verbose_name="prospects by rule: least Altman Z''",
            ),
        ),
        migrations.AlterField(
            model_name="checkrule",
            name="code",
            field=models.CharField(
                choices=[
                    ("headroom", "room within the limit"),
                    ("oldest_item", "age of the oldest open item"),
                    ("past_due_share", "past-due share of open invoices"),
                    ("broken_promise", "broken promise to pay"),
                    ("dunning_level", "dunning level"),
                    ("status", "status of the customer"),
                    ("hold", "credit hold"),
                    ("order_size", "size of the order"),
                    ("grade", "grade of the score"),
                    ("score", "score"),
                    ("unscored", "no current score"),
                    ("last_payment", "time since the last payment"),
                    ("unsecured", "room at our own risk"),
                    ("secured", "room under cover"),
                ],
                max_length=14,
                verbose_name="rule",
            ),
        ),
        migrations.AddConstraint(
            model_name="checkrule",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("code__in", ["headroom", "status", "hold", "unscored", "secured"]),
                    models.Q(("code", "grade"), models.Q(("grade", ""), _negated=True)),
                    models.Q(
                        ("code__in", ["order_size", "unsecured"]),
                        models.Q(("number__isnull", False), ("amount__isnull", False), _connector="OR"),
                    ),
                    models.Q(
                        models.Q(
                            (
                                "code__in",
                                [
                                    "headroom",
                                    "status",
                                    "hold",
                                    "unscored",
                                    "secured",
                                    "grade",
                                    "order_size",
                                    "unsecured",
                                ],
                            ),
                            _negated=True,
                        ),
                        ("number__isnull", False),
                    ),
                    _connector="OR",
                ),
                name="check_rule_has_its_threshold",
            ),
        ),
        migrations.AddConstraint(
            model_name="checkrule",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("on_orderer", False),
                    models.Q(("code__in", ["headroom", "order_size", "unsecured", "secured"]), _negated=True),
                    _connector="OR",
                ),
                name="check_rule_orderer_without_money",
            ),
        ),
        migrations.AddConstraint(
            model_name="checkrule",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("on_group", False),
                    models.Q(("code__in", ["unsecured", "secured"]), _negated=True),
                    _connector="OR",
                ),
                name="check_rule_cover_of_the_payer",
            ),
        ),
    ]
