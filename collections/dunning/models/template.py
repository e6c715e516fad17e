from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext_lazy as _

LANGUAGES = [("en", _("English")), ("it", _("Italian")), ("es", _("Spanish")), ("fr", _("French"))]
LEVELS = [(1, _("1: friendly reminder")), (2, _("2: reminder")), (3, _("3: last reminder"))]


class ReminderTemplate(models.Model):
    """Subject and body of one dunning level in one language, with {placeholders} from a fixed list.

    Placeholders are replaced as plain text (dunning/letters.py); a template can call nothing.
    """

    language = models.CharField(_("language"), max_length=5, choices=LANGUAGES)
    level = models.PositiveSmallIntegerField(_("level"), choices=LEVELS)
    subject = models.CharField(_("subject"), max_length=150)
    body = models.TextField(
        _("text"),
        help_text=_(
            "Placeholders: {customer} {contact} {company} {items} {total} {oldest_due} {days} {today} {sender}"
        ),
    )
    shipped_digest = models.CharField(max_length=64, blank=True, editable=False)

    class Meta:
        verbose_name = _("reminder template")
        verbose_name_plural = _("reminder templates")
        ordering = ["language", "level"]
        constraints = [models.UniqueConstraint(fields=["language", "level"], name="reminder_template_once")]

    def __str__(self) -> str:
        return f"{self.get_language_display()} · {self.level}"

    def clean(self) -> None:
        from dunning.letters import unknown_placeholders

        unknown = unknown_placeholders(self.subject + self.body)
        if unknown:
            raise ValidationError(
                _("Unknown placeholder %(names)s: use one of those listed below the text.")
                % {"names": ", ".join(sorted(unknown))}
            )
