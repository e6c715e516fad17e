# Every table of this app whole, in the state after 0002_guards: a new database makes each table once.

from importlib import import_module

import creditdesk.core.money
import django.core.serializers.json
import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models

# What the replaced migrations do besides the tables is written there, once.
GUARDS = import_module("scoring.migrations.0002_guards").Migration.operations


class Migration(migrations.Migration):

    replaces = [('scoring', '0001_initial'), ('scoring', '0002_guards')]

    initial = True

    dependencies = [
        ('core', '0001_initial'),
        ('customers', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='DirtyAccount',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('at', models.DateTimeField(default=django.utils.timezone.now)),
                ('account', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='customers.creditaccount')),
            ],
            options={
                'verbose_name': 'account to rescore',
                'verbose_name_plural': 'accounts to rescore',
            },
        ),
        migrations.CreateModel(
            name='LimitPolicy',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('version', models.PositiveIntegerField(verbose_name='version')),
                ('valid_from', models.DateField(verbose_name='valid from')),
                ('currency', models.CharField(default='EUR', max_length=3, verbose_name='currency')),
                ('buffer_days', models.PositiveSmallIntegerField(default=15, help_text='Credit needed covers the payment terms and these days.', verbose_name='days beyond terms')),
                ('capacity_percent', models.PositiveSmallIntegerField(default=10, verbose_name="share of the customer's equity (%)")),
                ('concentration_percent', models.PositiveSmallIntegerField(default=20, verbose_name="share of the company's receivables (%)")),
                ('concentration_from_customers', models.PositiveSmallIntegerField(default=20, help_text='In a book of a handful of customers everybody is concentrated.', verbose_name='concentration counts from so many customers')),
                ('step', models.PositiveIntegerField(default=500, verbose_name='limits are multiples of')),
                ('max_rise_percent', models.PositiveSmallIntegerField(default=25, verbose_name='largest rise at once (%)')),
                ('cool_down_days', models.PositiveSmallIntegerField(default=90, verbose_name='days between rises')),
                ('rise_max_days_past_due', models.PositiveSmallIntegerField(default=10, verbose_name='no rise when anything is overdue for more days than')),
                ('material_percent', models.PositiveSmallIntegerField(default=10, verbose_name='propose from a difference of (%)')),
                ('material_amount', creditdesk.core.money.MoneyField(default=100000, verbose_name='and of at least')),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False, verbose_name='created')),
                ('segment', models.ForeignKey(blank=True, help_text='Empty: every segment without a policy of its own.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='limit_policies', to='customers.creditsegment', verbose_name='credit segment')),
            ],
            options={
                'verbose_name': 'limit policy',
                'verbose_name_plural': 'limit policies',
                'ordering': ['-valid_from', '-version'],
                'constraints': [models.UniqueConstraint(fields=('segment', 'version'), name='limit_policy_version'), models.UniqueConstraint(condition=models.Q(('segment__isnull', True)), fields=('version',), name='default_limit_policy_version'), models.CheckConstraint(condition=models.Q(('concentration_percent__lte', 100), ('material_amount__gte', 0), ('max_rise_percent__gt', 0), ('step__gt', 0)), name='limit_policy_in_bounds')],
            },
        ),
        migrations.CreateModel(
            name='Scorecard',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('code', models.SlugField(max_length=40, verbose_name='code')),
                ('version', models.PositiveIntegerField(verbose_name='version')),
                ('name', models.CharField(max_length=120, verbose_name='name')),
                ('status', models.CharField(choices=[('draft', 'draft'), ('active', 'active'), ('retired', 'retired')], default='draft', max_length=8, verbose_name='status')),
                ('base_points', models.SmallIntegerField(verbose_name='base points')),
                ('grade_a_from', models.PositiveSmallIntegerField(default=80, verbose_name='grade A from')),
                ('grade_b_from', models.PositiveSmallIntegerField(default=60, verbose_name='grade B from')),
                ('grade_c_from', models.PositiveSmallIntegerField(default=45, verbose_name='grade C from')),
                ('grade_d_from', models.PositiveSmallIntegerField(default=25, verbose_name='grade D from')),
                ('review_from', models.PositiveSmallIntegerField(default=40, verbose_name='a person decides from')),
                ('review_to', models.PositiveSmallIntegerField(default=60, verbose_name='a person decides up to')),
                ('guarantees_below', models.PositiveSmallIntegerField(default=70, verbose_name='guarantees asked below')),
                ('thin_below', models.PositiveSmallIntegerField(default=4, help_text='Instalments fallen due in 12 months below which averages count as missing.', verbose_name='thin history below')),
                ('thin_recent_below', models.PositiveSmallIntegerField(default=2, help_text='Instalments fallen due in 90 days below which the 90-day average counts as missing.', verbose_name='thin 90 days below')),
                ('calibration', models.CharField(choices=[('uncalibrated', 'uncalibrated: expert odds, not fitted to outcomes'), ('fitted', 'fitted to outcomes')], default='uncalibrated', max_length=14, verbose_name='calibration')),
                ('anchor_score', models.PositiveSmallIntegerField(default=50, verbose_name='anchor score')),
                ('odds_at_anchor', models.DecimalField(decimal_places=2, default=12, max_digits=8, verbose_name='good to bad odds at the anchor')),
                ('points_to_double', models.PositiveSmallIntegerField(default=12, verbose_name='points that double the odds')),
                ('created_at', models.DateTimeField(auto_now_add=True, verbose_name='created')),
                ('activated_at', models.DateTimeField(blank=True, null=True, verbose_name='activated')),
            ],
            options={
                'verbose_name': 'scorecard',
                'verbose_name_plural': 'scorecards',
                'ordering': ['-pk'],
                'constraints': [models.UniqueConstraint(fields=('code', 'version'), name='scorecard_version'), models.UniqueConstraint(condition=models.Q(('status', 'active')), fields=('status',), name='one_active_scorecard'), models.CheckConstraint(condition=models.Q(('grade_a_from__gt', models.F('grade_b_from')), ('grade_a_from__lte', 100), ('grade_b_from__gt', models.F('grade_c_from')), ('grade_c_from__gt', models.F('grade_d_from'))), name='scorecard_grades_in_order'), models.CheckConstraint(condition=models.Q(('guarantees_below__gte', models.F('review_to')), ('review_from__lte', models.F('review_to'))), name='scorecard_review_zone'), models.CheckConstraint(condition=models.Q(('odds_at_anchor__gt', 0), ('points_to_double__gt', 0)), name='scorecard_odds')],
            },
        ),
        migrations.CreateModel(
            name='LimitPolicyGrade',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('grade', models.CharField(choices=[('A', 'A: pays as agreed'), ('B', 'B: pays with small delays'), ('C', 'C: pays late'), ('D', 'D: pays very late or in doubt'), ('E', 'E: likely not to pay')], max_length=1, verbose_name='grade')),
                ('ceiling', creditdesk.core.money.MoneyField(currency_field='policy__currency', verbose_name='ceiling')),
                ('need_percent', models.PositiveSmallIntegerField(verbose_name='share of the credit needed (%)')),
                ('policy', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='grades', to='scoring.limitpolicy', verbose_name='limit policy')),
            ],
            options={
                'verbose_name': 'grade of a limit policy',
                'verbose_name_plural': 'grades of a limit policy',
                'ordering': ['policy', 'grade'],
                'constraints': [models.UniqueConstraint(fields=('policy', 'grade'), name='limit_policy_grade_once'), models.CheckConstraint(condition=models.Q(('ceiling__gte', 0)), name='limit_policy_ceiling')],
            },
        ),
        migrations.CreateModel(
            name='AccountScore',
            fields=[
                ('as_of', models.DateField(verbose_name='as of')),
                ('judged_on', models.DateField(blank=True, null=True, verbose_name='lateness judged on')),
                ('score', models.PositiveSmallIntegerField(verbose_name='score')),
                ('grade', models.CharField(choices=[('A', 'A: pays as agreed'), ('B', 'B: pays with small delays'), ('C', 'C: pays late'), ('D', 'D: pays very late or in doubt'), ('E', 'E: likely not to pay')], max_length=1, verbose_name='grade')),
                ('pd', models.DecimalField(decimal_places=4, help_text="Within 12 months, from the card's expert odds; 1 where the customer is already insolvent.", max_digits=5, verbose_name='probability of default (uncalibrated)')),
                ('recommendation', models.CharField(choices=[('approved', 'approved'), ('guarantees', 'approved with guarantees'), ('review', 'for a person to decide'), ('declined', 'declined')], max_length=10, verbose_name='recommendation')),
                ('depth', models.CharField(choices=[('none', 'no history'), ('thin', 'thin history'), ('full', 'full history')], max_length=4, verbose_name='data depth')),
                ('account', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='score_row', serialize=False, to='customers.creditaccount', verbose_name='account')),
                ('stamp', models.DateTimeField(editable=False, verbose_name='computed from the ledger of')),
                ('pass_id', models.BigIntegerField(editable=False)),
                ('moved', models.CharField(blank=True, editable=False, max_length=7, verbose_name='points moved')),
                ('days_late_12m', models.FloatField(blank=True, null=True, verbose_name='days late on average, 12 months')),
                ('days_late_3m', models.FloatField(blank=True, null=True, verbose_name='days late on average, last 90 days')),
                ('late_share_12m', models.FloatField(blank=True, null=True, verbose_name='share paid or open late, by amount')),
                ('late15_share_12m', models.FloatField(blank=True, null=True, verbose_name='share more than 15 days late, by amount')),
                ('late30_share_12m', models.FloatField(blank=True, null=True, verbose_name='share more than 30 days late, by amount')),
                ('max_days_late_12m', models.IntegerField(blank=True, null=True, verbose_name='worst delay in 12 months')),
                ('oldest_overdue_days', models.IntegerField(blank=True, null=True, verbose_name='oldest overdue debt')),
                ('overdue_share', models.FloatField(blank=True, null=True, verbose_name='overdue now, of what fell due in 12 months')),
                ('overdue60_share', models.FloatField(blank=True, null=True, verbose_name='more than 60 days overdue, of what fell due in 12 months')),
                ('overdue_count', models.IntegerField(blank=True, null=True, verbose_name='instalments overdue now')),
                ('broken_promises_12m', models.IntegerField(blank=True, null=True, verbose_name='promises broken in 12 months')),
                ('broken_promise_share', models.FloatField(blank=True, null=True, verbose_name='share of promises broken')),
                ('disputed_share', models.FloatField(blank=True, null=True, verbose_name='in dispute now, of what was invoiced in 12 months')),
                ('dispute_rate', models.FloatField(blank=True, null=True, verbose_name='disputes raised per invoice, 12 months')),
                ('credit_share', models.FloatField(blank=True, null=True, verbose_name='credit notes, of what was invoiced in 12 months')),
                ('written_off_share', models.FloatField(blank=True, null=True, verbose_name='written off, of what was invoiced in 24 months')),
                ('returned_payments_12m', models.IntegerField(blank=True, null=True, verbose_name='payments returned in 12 months')),
                ('due_count_12m', models.IntegerField(blank=True, null=True, verbose_name='instalments fallen due in 12 months')),
                ('relationship_months', models.IntegerField(blank=True, null=True, verbose_name='months of relationship')),
                ('days_since_invoice', models.IntegerField(blank=True, null=True, verbose_name='days since the last invoice')),
                ('legal_marks_24m', models.IntegerField(blank=True, null=True, verbose_name='protests, liens and litigation in 24 months')),
                ('insolvent', models.IntegerField(blank=True, null=True, verbose_name='insolvency proceedings open')),
                ('days_late_12m_points', models.SmallIntegerField(editable=False, verbose_name='days late on average, 12 months')),
                ('days_late_3m_points', models.SmallIntegerField(editable=False, verbose_name='days late on average, last 90 days')),
                ('late_share_12m_points', models.SmallIntegerField(editable=False, verbose_name='share paid or open late, by amount')),
                ('late15_share_12m_points', models.SmallIntegerField(editable=False, verbose_name='share more than 15 days late, by amount')),
                ('late30_share_12m_points', models.SmallIntegerField(editable=False, verbose_name='share more than 30 days late, by amount')),
                ('max_days_late_12m_points', models.SmallIntegerField(editable=False, verbose_name='worst delay in 12 months')),
                ('oldest_overdue_days_points', models.SmallIntegerField(editable=False, verbose_name='oldest overdue debt')),
                ('overdue_share_points', models.SmallIntegerField(editable=False, verbose_name='overdue now, of what fell due in 12 months')),
                ('overdue60_share_points', models.SmallIntegerField(editable=False, verbose_name='more than 60 days overdue, of what fell due in 12 months')),
                ('overdue_count_points', models.SmallIntegerField(editable=False, verbose_name='instalments overdue now')),
                ('broken_promises_12m_points', models.SmallIntegerField(editable=False, verbose_name='promises broken in 12 months')),
                ('broken_promise_share_points', models.SmallIntegerField(editable=False, verbose_name='share of promises broken')),
                ('disputed_share_points', models.SmallIntegerField(editable=False, verbose_name='in dispute now, of what was invoiced in 12 months')),
                ('dispute_rate_points', models.SmallIntegerField(editable=False, verbose_name='disputes raised per invoice, 12 months')),
                ('credit_share_points', models.SmallIntegerField(editable=False, verbose_name='credit notes, of what was invoiced in 12 months')),
                ('written_off_share_points', models.SmallIntegerField(editable=False, verbose_name='written off, of what was invoiced in 24 months')),
                ('returned_payments_12m_points', models.SmallIntegerField(editable=False, verbose_name='payments returned in 12 months')),
                ('due_count_12m_points', models.SmallIntegerField(editable=False, verbose_name='instalments fallen due in 12 months')),
                ('relationship_months_points', models.SmallIntegerField(editable=False, verbose_name='months of relationship')),
                ('days_since_invoice_points', models.SmallIntegerField(editable=False, verbose_name='days since the last invoice')),
                ('legal_marks_24m_points', models.SmallIntegerField(editable=False, verbose_name='protests, liens and litigation in 24 months')),
                ('insolvent_points', models.SmallIntegerField(editable=False, verbose_name='insolvency proceedings open')),
                ('card', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='scoring.scorecard', verbose_name='scorecard')),
            ],
            options={
                'verbose_name': 'score',
                'verbose_name_plural': 'scores',
                'indexes': [models.Index(fields=['score'], name='score_by_value')],
                'constraints': [models.CheckConstraint(condition=models.Q(('score__lte', 100)), name='score_0_to_100')],
            },
        ),
        migrations.CreateModel(
            name='ScorecardBin',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('signal', models.CharField(max_length=40, verbose_name='signal')),
                ('is_missing', models.BooleanField(default=False, verbose_name='when missing')),
                ('lower', models.DecimalField(blank=True, decimal_places=6, max_digits=14, null=True, verbose_name='from')),
                ('upper', models.DecimalField(blank=True, decimal_places=6, max_digits=14, null=True, verbose_name='below')),
                ('points', models.SmallIntegerField(verbose_name='points')),
                ('rationale', models.CharField(max_length=300, verbose_name='rationale')),
                ('card', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='bins', to='scoring.scorecard', verbose_name='scorecard')),
            ],
            options={
                'verbose_name': 'scorecard bin',
                'verbose_name_plural': 'scorecard bins',
                'ordering': ['card', 'pk'],
                'constraints': [models.UniqueConstraint(condition=models.Q(('is_missing', False)), fields=('card', 'signal', 'lower'), name='scorecard_bin_once'), models.UniqueConstraint(condition=models.Q(('is_missing', True)), fields=('card', 'signal'), name='scorecard_missing_once'), models.CheckConstraint(condition=models.Q(models.Q(('is_missing', True), ('lower__isnull', True), ('upper__isnull', True)), models.Q(('is_missing', False), models.Q(('lower__isnull', True), ('upper__isnull', True), ('lower__lt', models.F('upper')), _connector='OR')), _connector='OR'), name='scorecard_bin_bounds'), models.CheckConstraint(condition=models.Q(('rationale', ''), _negated=True), name='scorecard_bin_explained')],
            },
        ),
        migrations.CreateModel(
            name='ScoreHistory',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('as_of', models.DateField(verbose_name='as of')),
                ('judged_on', models.DateField(blank=True, null=True, verbose_name='lateness judged on')),
                ('score', models.PositiveSmallIntegerField(verbose_name='score')),
                ('grade', models.CharField(choices=[('A', 'A: pays as agreed'), ('B', 'B: pays with small delays'), ('C', 'C: pays late'), ('D', 'D: pays very late or in doubt'), ('E', 'E: likely not to pay')], max_length=1, verbose_name='grade')),
                ('pd', models.DecimalField(decimal_places=4, help_text="Within 12 months, from the card's expert odds; 1 where the customer is already insolvent.", max_digits=5, verbose_name='probability of default (uncalibrated)')),
                ('recommendation', models.CharField(choices=[('approved', 'approved'), ('guarantees', 'approved with guarantees'), ('review', 'for a person to decide'), ('declined', 'declined')], max_length=10, verbose_name='recommendation')),
                ('depth', models.CharField(choices=[('none', 'no history'), ('thin', 'thin history'), ('full', 'full history')], max_length=4, verbose_name='data depth')),
                ('because', models.CharField(choices=[('first', 'first score'), ('changed', 'points changed'), ('month_end', 'month-end'), ('decision', 'used in a decision')], max_length=9, verbose_name='kept because')),
                ('signals', models.JSONField(encoder=django.core.serializers.json.DjangoJSONEncoder, verbose_name='signals')),
                ('points', models.JSONField(encoder=django.core.serializers.json.DjangoJSONEncoder, verbose_name='points')),
                ('recorded_at', models.DateTimeField(default=django.utils.timezone.now, verbose_name='recorded at')),
                ('account', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='score_history', to='customers.creditaccount', verbose_name='account')),
                ('card', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='scoring.scorecard', verbose_name='scorecard')),
                ('entry', models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='core.auditentry', verbose_name='audit entry')),
            ],
            options={
                'verbose_name': 'kept score',
                'verbose_name_plural': 'score history',
                'indexes': [models.Index(fields=['account', 'as_of', 'id'], name='history_of_account')],
                'constraints': [models.UniqueConstraint(condition=models.Q(('because', 'month_end')), fields=('account', 'as_of'), name='one_month_end_score')],
            },
        ),
        *GUARDS,
    ]
