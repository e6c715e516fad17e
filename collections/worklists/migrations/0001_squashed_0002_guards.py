# Every table of this app whole, in the state after 0002_guards: a new database makes each table once.

from importlib import import_module

import creditdesk.core.money
import django.core.serializers.json
import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

# What the replaced migrations do besides the tables is written there, once.
GUARDS = import_module("worklists.migrations.0002_guards").Migration.operations


class Migration(migrations.Migration):

    replaces = [('worklists', '0001_initial'), ('worklists', '0002_guards')]

    initial = True

    dependencies = [
        ('customers', '0001_initial'),
        ('dunning', '0001_initial'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='PendingAccount',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('account', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='customers.creditaccount')),
            ],
        ),
        migrations.CreateModel(
            name='Snooze',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('starts_on', models.DateField(verbose_name='from')),
                ('until', models.DateField(verbose_name='until')),
                ('reason', models.CharField(choices=[('contact_away', 'contact is away'), ('payment_announced', 'payment announced, waiting for the bank'), ('waiting_documents', 'waiting for documents from us'), ('internal', 'being sorted out internally'), ('other', 'other')], max_length=20, verbose_name='reason')),
                ('placed_at', models.DateTimeField(default=django.utils.timezone.now, verbose_name='placed at')),
                ('ended_on', models.DateField(blank=True, null=True, verbose_name='ended on')),
                ('account', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='snoozes', to='customers.creditaccount', verbose_name='account')),
                ('placed_by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='by')),
            ],
            options={
                'verbose_name': 'snooze',
                'verbose_name_plural': 'snoozes',
                'indexes': [models.Index(fields=['account', 'until'], name='snooze_of_account')],
                'constraints': [models.CheckConstraint(condition=models.Q(('until__gt', models.F('starts_on'))), name='snooze_ends_after_it_starts'), models.UniqueConstraint(condition=models.Q(('ended_on__isnull', True)), fields=('account', 'starts_on'), name='snooze_once_a_day')],
            },
        ),
        migrations.CreateModel(
            name='WorklistRun',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('as_of', models.DateField(verbose_name='business date')),
                ('judged_on', models.DateField(blank=True, null=True, verbose_name='lateness judged on')),
                ('policy_version', models.CharField(max_length=40, verbose_name='ranking policy')),
                ('built_at', models.DateTimeField(default=django.utils.timezone.now, verbose_name='built at')),
                ('counts', models.JSONField(blank=True, default=dict, verbose_name='counts')),
                ('company', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='worklist_runs', to='customers.company', verbose_name='company')),
            ],
            options={
                'verbose_name': 'worklist run',
                'verbose_name_plural': 'worklist runs',
                'ordering': ['-as_of', 'company'],
                'constraints': [models.UniqueConstraint(fields=('company', 'as_of'), name='worklist_run_once')],
            },
        ),
        migrations.CreateModel(
            name='WorklistRow',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('lane', models.CharField(choices=[('normal', 'to collect'), ('legal', 'legal')], default='normal', max_length=6, verbose_name='lane')),
                ('rank', models.PositiveIntegerField(verbose_name='rank')),
                ('currency', models.CharField(max_length=3, verbose_name='company currency')),
                ('at_risk', creditdesk.core.money.MoneyField(verbose_name='money at risk')),
                ('collectable', creditdesk.core.money.MoneyField(verbose_name='collectable')),
                ('probability', models.PositiveSmallIntegerField(verbose_name='chance it stays unpaid (per mille)')),
                ('minutes', models.PositiveSmallIntegerField(verbose_name='minutes expected')),
                ('account_currency', models.CharField(max_length=3, verbose_name='account currency')),
                ('overdue', creditdesk.core.money.MoneyField(currency_field='account_currency', verbose_name='overdue')),
                ('oldest_due_on', models.DateField(verbose_name='oldest due date')),
                ('items', models.PositiveSmallIntegerField(verbose_name='overdue items')),
                ('cause_code', models.CharField(max_length=30, verbose_name='cause')),
                ('cause_params', models.JSONField(blank=True, default=dict, encoder=django.core.serializers.json.DjangoJSONEncoder)),
                ('also', models.JSONField(blank=True, default=list, encoder=django.core.serializers.json.DjangoJSONEncoder, verbose_name='further causes')),
                ('step_code', models.CharField(max_length=30, verbose_name='next step')),
                ('step_params', models.JSONField(blank=True, default=dict, encoder=django.core.serializers.json.DjangoJSONEncoder)),
                ('state', models.CharField(choices=[('open', 'open'), ('done', 'done'), ('snoozed', 'held by you'), ('skipped', 'skipped'), ('left', 'settled')], default='open', max_length=8, verbose_name='state')),
                ('held_until', models.DateField(blank=True, null=True, verbose_name='held until')),
                ('finished_at', models.DateTimeField(blank=True, null=True, verbose_name='finished at')),
                ('account', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='worklist_rows', to='customers.creditaccount', verbose_name='account')),
                ('collector', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='worklist_rows', to=settings.AUTH_USER_MODEL, verbose_name='collector')),
                ('run', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='rows', to='worklists.worklistrun', verbose_name='run')),
            ],
            options={
                'verbose_name': 'worklist row',
                'verbose_name_plural': 'worklist rows',
                'permissions': [('work_worklist', 'Can work a worklist')],
                'indexes': [models.Index(fields=['run', 'collector', 'lane', 'rank'], name='worklist_of_collector'), models.Index(fields=['account', 'run'], name='worklist_of_account')],
                'constraints': [models.UniqueConstraint(fields=('run', 'account'), name='worklist_row_once'), models.CheckConstraint(condition=models.Q(('at_risk__gte', 0), ('collectable__gte', 0), ('minutes__gt', 0), ('probability__lte', 1000)), name='worklist_row_in_bounds'), models.CheckConstraint(condition=models.Q(models.Q(('state', 'snoozed'), _negated=True), ('held_until__isnull', False), _connector='OR'), name='worklist_row_held_has_a_day')],
            },
        ),
        migrations.CreateModel(
            name='FollowUp',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('call', 'call'), ('email', 'reminder e-mail'), ('promise', 'promise to pay'), ('dispute', 'dispute'), ('note', 'note'), ('snooze', 'snooze'), ('skip', 'skipped'), ('undo', 'undone')], max_length=8, verbose_name='kind')),
                ('outcome', models.CharField(blank=True, choices=[('reached', 'reached, will pay'), ('no_commitment', 'reached, no commitment'), ('no_answer', 'no answer'), ('left_message', 'left a message'), ('call_back', 'asked to call back'), ('wrong_number', 'wrong number')], max_length=14, verbose_name='outcome')),
                ('business_date', models.DateField(verbose_name='business date')),
                ('at', models.DateTimeField(default=django.utils.timezone.now, verbose_name='when')),
                ('text', models.TextField(blank=True, verbose_name='text')),
                ('account', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='followups', to='customers.creditaccount', verbose_name='account')),
                ('by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='followups', to=settings.AUTH_USER_MODEL, verbose_name='by')),
                ('compensates', models.OneToOneField(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='compensated_by', to='worklists.followup', verbose_name='undoes')),
                ('contact', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='customers.contact', verbose_name='contact')),
                ('dispute', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='followups', to='customers.dispute')),
                ('promise', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='followups', to='customers.promise')),
                ('reminder', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='followups', to='dunning.reminder')),
                ('snooze', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='followups', to='worklists.snooze')),
                ('row', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='followups', to='worklists.worklistrow', verbose_name='row')),
            ],
            options={
                'verbose_name': 'follow-up',
                'verbose_name_plural': 'follow-ups',
                'ordering': ['-pk'],
                'indexes': [models.Index(fields=['account', 'business_date'], name='followup_of_account'), models.Index(fields=['by', 'business_date'], name='followup_of_person')],
                'constraints': [models.CheckConstraint(condition=models.Q(models.Q(('compensates__isnull', False), ('kind', 'undo')), models.Q(models.Q(('kind', 'undo'), _negated=True), ('compensates__isnull', True)), _connector='OR'), name='followup_undo_names_what_it_undoes'), models.CheckConstraint(condition=models.Q(models.Q(('kind', 'call'), _negated=True), models.Q(('outcome', ''), _negated=True), _connector='OR'), name='followup_call_has_an_outcome'), models.CheckConstraint(condition=models.Q(models.Q(models.Q(('kind', 'promise'), _negated=True), ('promise__isnull', False), _connector='OR'), models.Q(models.Q(('kind', 'dispute'), _negated=True), ('dispute__isnull', False), _connector='OR'), models.Q(models.Q(('kind', 'email'), _negated=True), ('reminder__isnull', False), _connector='OR'), models.Q(models.Q(('kind', 'snooze'), _negated=True), ('snooze__isnull', False), _connector='OR')), name='followup_refers_to_its_fact')],
            },
        ),
        *GUARDS,
    ]
