from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ApiConfig(AppConfig):
    name = "creditdesk.api"
    label = "api"
    verbose_name = _("API")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from creditdesk.api import schema  # noqa: F401 - tells the schema how one signs in
        from creditdesk.core import schedules

        schedules.register("Sweep the API's logs", "creditdesk.api.tasks.sweep", "25 3 * * *")
