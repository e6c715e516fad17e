from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class DemoLoad(models.Model):
    """The mark of a demo database: which story it holds. Without this row nothing may ever be reset.

    digest: SHA-256 over every generated row, so that two loads of one story can be compared.
    """

    seed = models.PositiveIntegerField(_("seed"))
    as_of = models.DateField(_("business date"))
    customers = models.PositiveIntegerField(_("customers"))
    digest = models.CharField(_("digest"), max_length=64)
    counts = models.JSONField(_("counts"), default=dict, blank=True)
    loaded_at = models.DateTimeField(_("loaded at"), default=timezone.now)

    class Meta:
        verbose_name = _("demo load")
        verbose_name_plural = _("demo loads")

    def __str__(self) -> str:
        return f"{self.customers} @ {self.as_of}"
