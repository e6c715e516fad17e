from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class WorklistsConfig(AppConfig):
    name = "worklists"
    label = "worklists"
    verbose_name = _("Worklists")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from creditdesk.core.schedules import register
        from customers import events
        from dunning.events import reminder_failed
        from worklists import actions, pending, words

        words.tell()
        events.ledger_changed.connect(pending.ledger_changed, dispatch_uid="worklists.ledger_changed")
        events.promise_moved.connect(pending.promise_moved, dispatch_uid="worklists.promise_moved")
        events.legal_event_recorded.connect(
            pending.legal_event_recorded, dispatch_uid="worklists.legal_event_recorded"
        )
        events.limit_applied.connect(pending.limit_applied, dispatch_uid="worklists.limit_applied")
        reminder_failed.connect(actions.reminder_failed, dispatch_uid="worklists.reminder_failed")
        register("worklists.nightly", "worklists.tasks.nightly", "40 4 * * *", due_kwarg="due")
        register("worklists.sweep", "worklists.tasks.follow_ledger", "*/5 * * * *")
