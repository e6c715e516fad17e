from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class DunningConfig(AppConfig):
    name = "dunning"
    label = "dunning"
    verbose_name = _("Reminders")
    default_auto_field = "django.db.models.BigAutoField"
