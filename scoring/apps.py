from django.apps import AppConfig
from django.db import connections
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


def _install_card(using: str, **_kwargs) -> None:
    from scoring.default_card import ensure_default_card
    from scoring.models import ScorecardBin

    # Not while only some of the tables exist (`migrate customers`, `migrate scoring zero`).
    if using == "default" and ScorecardBin._meta.db_table in connections[using].introspection.table_names():
        ensure_default_card()


class ScoringConfig(AppConfig):
    name = "scoring"
    label = "scoring"
    verbose_name = _("Scores and alerts")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from scoring import listeners

        listeners.connect()
        post_migrate.connect(_install_card, sender=self, dispatch_uid="scoring.default_card")
