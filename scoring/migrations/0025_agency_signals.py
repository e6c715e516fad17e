"""The signals of credit agencies' reports: a column each, on the current and on the kept scores."""

from django.db import migrations

from scoring.migration_steps import SignalColumns

NEW = [
    ("bureau_agencies", "integer", "agencies that rate the customer"),
    ("bureau_apart", "integer", "disagreement of credit agencies"),
    ("bureau_ceased", "integer", "business ceased, by an agency"),
    ("bureau_days_beyond_terms", "integer", "days beyond terms seen by agencies"),
    ("bureau_fall_12m", "integer", "fall of the standing within 12 months"),
    ("bureau_inactive", "integer", "business dormant or ceased, by an agency"),
    ("bureau_not_found", "integer", "not known to the agencies asked"),
    ("bureau_pd", "float", "probability of default seen by agencies"),
    ("bureau_report_age_months", "integer", "age of the newest agency report"),
    ("bureau_standing", "integer", "standing with credit agencies"),
]


class Migration(migrations.Migration):
    dependencies = [
        ("scoring", "0024_invoice_levels"),
        # The statement reads its table.
        ("customers", "0022_bureau_reports"),
    ]

    operations = [SignalColumns({"accountscore": NEW, "scorehistory": NEW}, {})]
