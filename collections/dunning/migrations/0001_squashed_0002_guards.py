# Every table of this app whole, in the state after 0002_guards: a new database makes each table once.

from importlib import import_module

import creditdesk.core.money
import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

# What the replaced migrations do besides the tables is written there, once.
GUARDS = import_module("dunning.migrations.0002_guards").Migration.operations


class Migration(migrations.Migration):

    replaces = [('dunning', '0001_initial'), ('dunning', '0002_guards')]

    initial = True

    dependencies = [
        ('customers', '0001_initial'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Reminder',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('level', models.PositiveSmallIntegerField(choices=[(1, '1: friendly reminder'), (2, '2: reminder'), (3, '3: last reminder')], verbose_name='level')),
                ('business_date', models.DateField(verbose_name='business date')),
                ('language', models.CharField(choices=[('en', 'English'), ('it', 'Italian'), ('es', 'Spanish'), ('fr', 'French')], max_length=5, verbose_name='language')),
                ('to_address', models.EmailField(max_length=254, verbose_name='to')),
                ('subject', models.CharField(max_length=200, verbose_name='subject')),
                ('body', models.TextField(verbose_name='text')),
                ('currency', models.CharField(max_length=3, verbose_name='currency')),
                ('amount', creditdesk.core.money.MoneyField(verbose_name='amount reminded')),
                ('state', models.CharField(choices=[('queued', 'waiting to be sent'), ('held', 'held: test mode'), ('sending', 'being sent'), ('sent', 'sent'), ('failed', 'failed'), ('cancelled', 'cancelled')], default='queued', max_length=10, verbose_name='state')),
                ('written_at', models.DateTimeField(default=django.utils.timezone.now, verbose_name='written at')),
                ('claimed_at', models.DateTimeField(blank=True, null=True, verbose_name='claimed at')),
                ('sent_at', models.DateTimeField(blank=True, null=True, verbose_name='sent at')),
                ('error', models.CharField(blank=True, max_length=300, verbose_name='error')),
                ('account', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='reminders', to='customers.creditaccount', verbose_name='account')),
                ('contact', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='reminders', to='customers.contact', verbose_name='contact')),
                ('written_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'verbose_name': 'reminder',
                'verbose_name_plural': 'reminders',
                'ordering': ['-pk'],
                'permissions': [('resolve_reminder', 'Can decide about a reminder whose sending was interrupted')],
                'indexes': [models.Index(fields=['account', 'business_date'], name='reminder_of_account'), models.Index(condition=models.Q(('state__in', ['queued', 'sending'])), fields=['state', 'claimed_at'], name='reminder_to_send')],
                'constraints': [models.UniqueConstraint(condition=models.Q(('state__in', ['cancelled', 'failed']), _negated=True), fields=('account', 'level', 'business_date'), name='reminder_once_a_day'), models.CheckConstraint(condition=models.Q(models.Q(('sent_at__isnull', False), ('state', 'sent')), models.Q(('state', 'sent'), _negated=True), _connector='OR'), name='reminder_sent_has_its_time'), models.CheckConstraint(condition=models.Q(('amount__gt', 0)), name='reminder_amount_positive')],
            },
        ),
        migrations.CreateModel(
            name='ReminderTemplate',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('language', models.CharField(choices=[('en', 'English'), ('it', 'Italian'), ('es', 'Spanish'), ('fr', 'French')], max_length=5, verbose_name='language')),
                ('level', models.PositiveSmallIntegerField(choices=[(1, '1: friendly reminder'), (2, '2: reminder'), (3, '3: last reminder')], verbose_name='level')),
                ('subject', models.CharField(max_length=150, verbose_name='subject')),
                ('body', models.TextField(help_text='Placeholders: {customer} {contact} {company} {items} {total} {oldest_due} {days} {today} {sender}', verbose_name='text')),
                ('shipped_digest', models.CharField(blank=True, editable=False, max_length=64)),
            ],
            options={
                'verbose_name': 'reminder template',
                'verbose_name_plural': 'reminder templates',
                'ordering': ['language', 'level'],
                'constraints': [models.UniqueConstraint(fields=('language', 'level'), name='reminder_template_once')],
            },
        ),
        migrations.CreateModel(
            name='ReminderItem',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('amount', creditdesk.core.money.MoneyField(currency_field='reminder__currency', verbose_name='open amount')),
                ('instalment', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='reminder_items', to='customers.instalment')),
                ('reminder', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='items', to='dunning.reminder')),
            ],
            options={
                'verbose_name': 'reminded item',
                'verbose_name_plural': 'reminded items',
                'constraints': [models.UniqueConstraint(fields=('reminder', 'instalment'), name='reminder_item_once'), models.CheckConstraint(condition=models.Q(('amount__gt', 0)), name='reminder_item_positive')],
            },
        ),
        *GUARDS,
    ]
