from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class CoreConfig(AppConfig):
    name = "creditdesk.core"
    label = "core"
    verbose_name = _("Administration")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from creditdesk.core import pulse, schedules

        pulse.connect()
        schedules.register("Seal the audit trail", "creditdesk.core.tasks.seal_audit_trail", "10 * * * *")
        schedules.register("Mail to staff (sweep)", "creditdesk.core.tasks.sweep_staff_mail", "*/5 * * * *")
        schedules.register(
            "Texts of old mail to staff", "creditdesk.core.tasks.forget_texts_of_mail", "40 3 * * *"
        )
