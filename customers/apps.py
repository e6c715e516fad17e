from django.apps import AppConfig
from django.db import connections
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


def _install_bases(using: str, plan=(), **_kwargs) -> None:
    from customers.legal_bases import install_bases
    from customers.models import LegalBasis

    # Migrating backwards leaves tables older than the models: nothing is installed then.
    if any(backwards for _migration, backwards in plan or ()):
        return
    if using == "default" and LegalBasis._meta.db_table in connections[using].introspection.table_names():
        install_bases(using)


class CustomersConfig(AppConfig):
    name = "customers"
    label = "customers"
    verbose_name = _("Customers and ledger")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from creditdesk.core import schedules
        from customers import notices
        from customers.events import business_stopped
        from customers.order_holds import on_business_stopped

        business_stopped.connect(on_business_stopped, dispatch_uid="customers.orders_on_hold")
        schedules.register("Lapsed reservations", "customers.order_tasks.sweep_reservations", "*/5 * * * *")
        schedules.register("Orders on hold, again", "customers.order_tasks.check_holds_again", "*/15 * * * *")
        notices.register_topics()
        schedules.register(
            "Agency reports", "customers.bureau.tasks.plan_nightly", "40 4 * * *", due_kwarg="due"
        )
        schedules.register(
            "Daily digest to staff", "customers.notice_tasks.write_digests", "0 7 * * *", due_kwarg="due"
        )
        post_migrate.connect(_install_bases, sender=self, dispatch_uid="customers.legal_bases")
