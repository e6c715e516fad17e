from django.db import migrations, models

from creditdesk.core.guards import refuse_when

NAMES = ("calibrated_on", "calibration_events", "calibration_years")
CHANGED = " OR ".join(f"OLD.{name} IS DISTINCT FROM NEW.{name}" for name in NAMES)


def name_what_was_fitted(apps, schema_editor):
    """A fitted card says through which day and from how many defaults: its own report knows."""
    using = schema_editor.connection.alias
    cards = apps.get_model("scoring", "Scorecard").objects.using(using).filter(calibration="fitted")
    reports = apps.get_model("scoring", "CardReport").objects.using(using)
    for card in cards:
        report = reports.filter(card=card, kind="fit").order_by("-pk").first()
        if report is not None:
            cards.filter(pk=card.pk).update(
                calibrated_on=report.as_of, calibration_events=report.figures.get("events")
            )


class Migration(migrations.Migration):
    dependencies = [
        ("scoring", "0025_agency_signals"),
    ]

    operations = [
        migrations.AddField(
            model_name="scorecard",
            name="calibrated_on",
            field=models.DateField(
                blank=True,
                editable=False,
                help_text="The day through which outcomes were known.",
                null=True,
                verbose_name="calibrated on",
            ),
        ),
        migrations.AddField(
            model_name="scorecard",
            name="calibration_events",
            field=models.PositiveIntegerField(
                blank=True, editable=False, null=True, verbose_name="customers that defaulted"
            ),
        ),
        migrations.AddField(
            model_name="scorecard",
            name="calibration_years",
            field=models.PositiveIntegerField(
                blank=True, editable=False, null=True, verbose_name="customer-years observed"
            ),
        ),
        migrations.AlterField(
            model_name="accountscore",
            name="pd",
            field=models.DecimalField(
                decimal_places=4,
                help_text="Within 12 months, from the card's odds; 1 where the customer is already insolvent.",
                max_digits=5,
                verbose_name="probability of default",
            ),
        ),
        migrations.AlterField(
            model_name="cardreport",
            name="kind",
            field=models.CharField(
                choices=[
                    ("fit", "fit"),
                    ("backtest", "backtest"),
                    ("stability", "stability"),
                    ("tryout", "try-out on the live book"),
                    ("monitoring", "monthly monitoring"),
                    ("signed", "model card signed off"),
                    ("calibrated", "calibration to outcomes"),
                    ("compared", "comparison with another card"),
                ],
                max_length=10,
                verbose_name="kind",
            ),
        ),
        migrations.AlterField(
            model_name="scorecard",
            name="calibration",
            field=models.CharField(
                choices=[
                    ("uncalibrated", "uncalibrated: expert odds, not fitted to outcomes"),
                    ("level", "level adjusted to outcomes, slope expert judgement"),
                    ("fitted", "fitted to outcomes"),
                ],
                default="uncalibrated",
                max_length=14,
                verbose_name="calibration",
            ),
        ),
        migrations.AlterField(
            model_name="scorehistory",
            name="pd",
            field=models.DecimalField(
                decimal_places=4,
                help_text="Within 12 months, from the card's odds; 1 where the customer is already insolvent.",
                max_digits=5,
                verbose_name="probability of default",
            ),
        ),
        migrations.RunPython(name_what_was_fitted, migrations.RunPython.noop, elidable=True),
        migrations.AddConstraint(
            model_name="scorecard",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("calibrated_on__isnull", True),
                        ("calibration", "uncalibrated"),
                        ("calibration_events__isnull", True),
                    ),
                    models.Q(
                        ("calibrated_on__isnull", False),
                        ("calibration", "level"),
                        ("calibration_events__isnull", False),
                    ),
                    ("calibration", "fitted"),
                    _connector="OR",
                ),
                name="scorecard_calibration_dated",
            ),
        ),
        refuse_when(
            "scoring_scorecard_calibration_frozen",
            "scoring_scorecard",
            "BEFORE UPDATE",
            f"OLD.status <> 'draft' AND ({CHANGED})",
            "scoring_scorecard: a card that was active is never edited; make a new version",
        ),
    ]
