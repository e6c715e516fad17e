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
        from customers.events import dunning_levels_wanted
        from dunning.levels import on_levels_wanted
        from dunning.shipped import install_templates

        post_migrate.connect(install_templates, sender=self, dispatch_uid="dunning.install_templates")
        dunning_levels_wanted.connect(on_levels_wanted, dispatch_uid="dunning.levels")
        register("dunning.sweep", "dunning.tasks.sweep", "*/10 * * * *")
