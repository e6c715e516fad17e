from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class DunningConfig(AppConfig):
    name = "dunning"
    label = "dunning"
    verbose_name = _("Reminders")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from creditdesk.core.schedules import register
        from dunning.shipped import install_templates

        post_migrate.connect(install_templates, sender=self, dispatch_uid="dunning.install_templates")
        register("dunning.sweep", "dunning.tasks.sweep", "*/10 * * * *")
