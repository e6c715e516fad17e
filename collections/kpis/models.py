"""KPIs store nothing: this model only carries the permission to see them."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class Kpi(models.Model):
    class Meta:
        managed = False
        default_permissions = ()
        permissions = [("view_kpis", _("Can see the KPI pages and exports"))]
        verbose_name = _("KPI")
        verbose_name_plural = _("KPIs")
