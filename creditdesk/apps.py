import gc

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class CreditdeskConfig(AppConfig):
    """The house itself: ties the apps together (roles, home pages, commands that need them all)."""

    name = "creditdesk"
    label = "creditdesk"
    verbose_name = "creditdesk"

    def ready(self) -> None:
        from creditdesk.roles import install_roles

        post_migrate.connect(install_roles, dispatch_uid="creditdesk.install_roles")
        # This app is the last: what is imported by now lives as long as the process. The collector of garbage, which
        # manage.py and wsgi.py had switched off, leaves it alone; forked workers share its memory longer.
        gc.freeze()
        gc.enable()
