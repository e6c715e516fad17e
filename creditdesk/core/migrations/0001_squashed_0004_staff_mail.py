# Every table of this app whole, in the state after 0004_staff_mail: a new database makes each table once, then the
# guards that stand by then. What the replaced migrations move from old rows has nothing to move here.

import django.contrib.auth.models
import django.contrib.auth.validators
import django.core.serializers.json
import django.db.models.deletion
import django.utils.timezone
import uuid
from django.conf import settings
from django.db import migrations, models

from creditdesk.core.guards import Tables, TablesComplete, standing_guards

GUARDS = standing_guards(
    "creditdesk.core.migrations",
    (
        "0002_guards",
    ),
)


class Migration(migrations.Migration):

    replaces = [('core', '0001_initial'), ('core', '0002_guards'), ('core', '0003_customer_trail'), ('core', '0004_staff_mail')]

    initial = True

    dependencies = [
        ('auth', '0012_alter_user_first_name_max_length'),
    ]

    operations = [
        Tables(
        migrations.CreateModel(
            name='AuditSeal',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('sealed_at', models.DateTimeField(default=django.utils.timezone.now, verbose_name='sealed at')),
                ('entries', models.PositiveIntegerField(verbose_name='entries')),
                ('digest', models.CharField(max_length=64, verbose_name='digest')),
            ],
            options={
                'verbose_name': 'audit seal',
                'verbose_name_plural': 'audit seals',
            },
        ),
        migrations.CreateModel(
            name='Heartbeat',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=120, unique=True, verbose_name='name')),
                ('beat_at', models.DateTimeField(verbose_name='last sign of life')),
            ],
            options={
                'verbose_name': 'heartbeat',
                'verbose_name_plural': 'heartbeats',
            },
        ),
        migrations.CreateModel(
            name='User',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('password', models.CharField(max_length=128, verbose_name='password')),
                ('last_login', models.DateTimeField(blank=True, null=True, verbose_name='last login')),
                ('is_superuser', models.BooleanField(default=False, help_text='Designates that this user has all permissions without explicitly assigning them.', verbose_name='superuser status')),
                ('username', models.CharField(error_messages={'unique': 'A user with that username already exists.'}, help_text='Required. 150 characters or fewer. Letters, digits and @/./+/-/_ only.', max_length=150, unique=True, validators=[django.contrib.auth.validators.UnicodeUsernameValidator()], verbose_name='username')),
                ('first_name', models.CharField(blank=True, max_length=150, verbose_name='first name')),
                ('last_name', models.CharField(blank=True, max_length=150, verbose_name='last name')),
                ('email', models.EmailField(blank=True, max_length=254, verbose_name='email address')),
                ('is_staff', models.BooleanField(default=False, help_text='Designates whether the user can log into this admin site.', verbose_name='staff status')),
                ('is_active', models.BooleanField(default=True, help_text='Designates whether this user should be treated as active. Unselect this instead of deleting accounts.', verbose_name='active')),
                ('date_joined', models.DateTimeField(default=django.utils.timezone.now, verbose_name='date joined')),
                ('language', models.CharField(default='en', max_length=5, verbose_name='language')),
                ('groups', models.ManyToManyField(blank=True, help_text='The groups this user belongs to. A user will get all permissions granted to each of their groups.', related_name='user_set', related_query_name='user', to='auth.group', verbose_name='groups')),
                ('user_permissions', models.ManyToManyField(blank=True, help_text='Specific permissions for this user.', related_name='user_set', related_query_name='user', to='auth.permission', verbose_name='user permissions')),
            ],
            options={
                'verbose_name': 'user',
                'verbose_name_plural': 'users',
                'abstract': False,
            },
            managers=[
                ('objects', django.contrib.auth.models.UserManager()),
            ],
        ),
        migrations.CreateModel(
            name='Job',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(max_length=60, verbose_name='kind')),
                ('key', models.CharField(max_length=120, verbose_name='key')),
                ('business_date', models.DateField(verbose_name='business date')),
                ('status', models.CharField(choices=[('waiting', 'waiting'), ('done', 'done'), ('failed', 'failed')], default='waiting', max_length=10, verbose_name='status')),
                ('attempts', models.PositiveSmallIntegerField(default=0, verbose_name='attempts')),
                ('created_at', models.DateTimeField(auto_now_add=True, verbose_name='created at')),
                ('claimed_at', models.DateTimeField(blank=True, null=True, verbose_name='last attempt at')),
                ('done_at', models.DateTimeField(blank=True, null=True, verbose_name='done at')),
                ('result', models.JSONField(blank=True, null=True, verbose_name='result')),
                ('error', models.TextField(blank=True, verbose_name='last error')),
            ],
            options={
                'verbose_name': 'background job',
                'verbose_name_plural': 'background jobs',
                'indexes': [models.Index(fields=['business_date', 'kind', 'status'], name='job_progress')],
                'constraints': [models.UniqueConstraint(fields=('kind', 'key', 'business_date'), name='job_once'), models.CheckConstraint(condition=models.Q(models.Q(('done_at__isnull', False), ('status', 'done')), models.Q(models.Q(('status', 'done'), _negated=True), ('done_at__isnull', True)), _connector='OR'), name='job_done_has_time')],
            },
        ),
        migrations.CreateModel(
            name='Notice',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('topic', models.CharField(max_length=40, verbose_name='topic')),
                ('key', models.CharField(max_length=120, unique=True, verbose_name='key')),
                ('about', models.JSONField(blank=True, default=dict, encoder=django.core.serializers.json.DjangoJSONEncoder)),
                ('business_date', models.DateField(verbose_name='business date')),
                ('written_at', models.DateTimeField(default=django.utils.timezone.now, verbose_name='written at')),
                ('addressed_at', models.DateTimeField(blank=True, null=True, verbose_name='addressed at')),
            ],
            options={
                'verbose_name': 'notice',
                'verbose_name_plural': 'notices',
                'indexes': [models.Index(condition=models.Q(('addressed_at__isnull', True)), fields=['id'], name='notice_to_address')],
            },
        ),
        migrations.CreateModel(
            name='AuditEntry',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('at', models.DateTimeField(db_index=True, default=django.utils.timezone.now, verbose_name='when')),
                ('act', models.CharField(db_index=True, max_length=60, verbose_name='act')),
                ('actor_kind', models.CharField(choices=[('person', 'person'), ('policy', 'policy'), ('import', 'import'), ('job', 'job'), ('api', 'API client')], max_length=10, verbose_name='kind of actor')),
                ('actor_name', models.CharField(blank=True, max_length=80, verbose_name='actor')),
                ('business_date', models.DateField(blank=True, null=True, verbose_name='business date')),
                ('reason_code', models.CharField(blank=True, max_length=60, verbose_name='reason')),
                ('subject_type', models.CharField(blank=True, max_length=60, verbose_name='subject type')),
                ('subject_pk', models.CharField(blank=True, max_length=40, verbose_name='subject')),
                ('data', models.JSONField(blank=True, default=dict, encoder=django.core.serializers.json.DjangoJSONEncoder, verbose_name='data')),
                ('actor', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='who')),
            ],
            options={
                'verbose_name': 'audit entry',
                'verbose_name_plural': 'audit trail',
                'indexes': [models.Index(fields=['subject_type', 'subject_pk'], name='audit_subject')],
                'constraints': [models.CheckConstraint(condition=models.Q(models.Q(('actor_kind', 'person'), _negated=True), ('actor__isnull', False), _connector='OR'), name='audit_person_is_named')],
                'permissions': [('view_customer_trail', 'Can read the audit trail of a customer')],
            },
        ),
        migrations.CreateModel(
            name='StaffMail',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('public_id', models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ('key', models.CharField(max_length=120, unique=True, verbose_name='key')),
                ('mode', models.CharField(choices=[('at_once', 'at once'), ('digest', 'once a day, together'), ('none', 'not at all')], max_length=8, verbose_name='kind')),
                ('business_date', models.DateField(verbose_name='business date')),
                ('language', models.CharField(max_length=5, verbose_name='language')),
                ('to_address', models.EmailField(max_length=254, verbose_name='address')),
                ('subject', models.CharField(max_length=200, verbose_name='subject')),
                ('body', models.TextField(blank=True, verbose_name='text')),
                ('html', models.TextField(blank=True)),
                ('state', models.CharField(choices=[('queued', 'waiting to be sent'), ('sending', 'being sent'), ('sent', 'sent'), ('failed', 'failed'), ('cancelled', 'cancelled')], default='queued', max_length=10, verbose_name='state')),
                ('written_at', models.DateTimeField(default=django.utils.timezone.now, verbose_name='written at')),
                ('attempts', models.PositiveSmallIntegerField(default=0, verbose_name='attempts')),
                ('try_after', models.DateTimeField(default=django.utils.timezone.now, verbose_name='next attempt')),
                ('claimed_at', models.DateTimeField(blank=True, null=True, verbose_name='claimed at')),
                ('sent_at', models.DateTimeField(blank=True, null=True, verbose_name='sent at')),
                ('error', models.CharField(blank=True, max_length=300, verbose_name='last error')),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='staff_mails', to=settings.AUTH_USER_MODEL, verbose_name='to')),
            ],
            options={
                'verbose_name': 'mail to staff',
                'verbose_name_plural': 'mails to staff',
                'permissions': [('resend_staffmail', 'Can send a mail to staff again')],
                'indexes': [models.Index(fields=['user', '-id'], name='staff_mail_of_user'), models.Index(condition=models.Q(('state__in', ['queued', 'sending'])), fields=['state', 'try_after'], name='staff_mail_to_send')],
                'constraints': [models.CheckConstraint(condition=models.Q(models.Q(('sent_at__isnull', False), ('state', 'sent')), models.Q(('state', 'sent'), _negated=True), _connector='OR'), name='staff_mail_sent_has_its_time'), models.CheckConstraint(condition=models.Q(models.Q(('claimed_at__isnull', False), ('state', 'sending')), models.Q(('state', 'sending'), _negated=True), _connector='OR'), name='staff_mail_claimed_has_its_time')],
            },
        ),
        migrations.CreateModel(
            name='MailPreference',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('topic', models.CharField(max_length=40, verbose_name='topic')),
                ('mode', models.CharField(choices=[('at_once', 'at once'), ('digest', 'once a day, together'), ('none', 'not at all')], max_length=8, verbose_name='when')),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='mail_preferences', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'verbose_name': 'mail preference',
                'verbose_name_plural': 'mail preferences',
                'constraints': [models.UniqueConstraint(fields=('user', 'topic'), name='mail_preference_once')],
            },
        ),
        migrations.CreateModel(
            name='AuditChange',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('table', models.CharField(max_length=60, verbose_name='table')),
                ('object_pk', models.CharField(max_length=40, verbose_name='row')),
                ('before', models.JSONField(encoder=django.core.serializers.json.DjangoJSONEncoder, null=True, verbose_name='before')),
                ('after', models.JSONField(encoder=django.core.serializers.json.DjangoJSONEncoder, null=True, verbose_name='after')),
                ('entry', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='changes', to='core.auditentry', verbose_name='act')),
            ],
            options={
                'verbose_name': 'audited change',
                'verbose_name_plural': 'audited changes',
                'indexes': [models.Index(fields=['table', 'object_pk'], name='audit_change_row')],
            },
        ),
        migrations.CreateModel(
            name='AuditNote',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('text', models.TextField(verbose_name='text')),
                ('entry', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='note', to='core.auditentry', verbose_name='act')),
            ],
            options={
                'verbose_name': 'audit note',
                'verbose_name_plural': 'audit notes',
            },
        ),
        migrations.CreateModel(
            name='SealedEntry',
            fields=[
                ('entry', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, primary_key=True, related_name='sealed', serialize=False, to='core.auditentry')),
                ('digest', models.CharField(max_length=64)),
                ('seal', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='sealed_entries', to='core.auditseal')),
            ],
        ),
        migrations.CreateModel(
            name='NoticeCopy',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('mode', models.CharField(choices=[('at_once', 'at once'), ('digest', 'once a day, together'), ('none', 'not at all')], max_length=8)),
                ('is_dropped', models.BooleanField(db_default=False, default=False)),
                ('notice', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='copies', to='core.notice')),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('mail', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='copies', to='core.staffmail')),
            ],
            options={
                'verbose_name': 'copy of a notice',
                'verbose_name_plural': 'copies of notices',
                'indexes': [models.Index(condition=models.Q(('is_dropped', False), ('mail__isnull', True)), fields=['user'], name='notice_copy_waiting')],
                'constraints': [models.UniqueConstraint(fields=('notice', 'user'), name='notice_once_per_person')],
            },
        ),
        ),
        TablesComplete(),
        *GUARDS,
    ]
