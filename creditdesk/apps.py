import gc

from django.apps import AppConfig, apps
from django.db.models.signals import post_migrate
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy

OURS = {"creditdesk", "customers", "scoring", "worklists", "dunning", "kpis"}


def translate_default_labels() -> None:
    """A field without a label of its own is called by its name, in English: in the reader's language from here on, where
    the catalogue knows the word ("customer"). Migrations do not see it: they read what the model says."""
    for model in apps.get_models():
        if model.__module__.partition(".")[0] in OURS:
            for field in model._meta.local_fields:
                if not isinstance(field.verbose_name, Promise):
                    field.verbose_name = gettext_lazy(field.verbose_name)


class CreditdeskConfig(AppConfig):
    """The house itself: ties the apps together (roles, home pages, commands that need them all)."""

    name = "creditdesk"
    label = "creditdesk"
    verbose_name = "creditdesk"

    def ready(self) -> None:
        from creditdesk.roles import install_roles

        translate_default_labels()
        post_migrate.connect(install_roles, dispatch_uid="creditdesk.install_roles")
        # This app is the last: what is imported by now lives as long as the process. The collector of garbage, which
        # manage.py and wsgi.py had switched off, leaves it alone; forked workers share its memory longer.
        gc.freeze()
        gc.enable()
