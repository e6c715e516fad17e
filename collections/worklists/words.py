"""What collectors wrote about a customer can be erased with everything else that was written (scoring/erasing.py)."""

from __future__ import annotations

from django.utils.translation import gettext as _

from scoring.written import Place, also_written, of_account
from worklists.models import FollowUp


def tell() -> None:
    """Called when the app starts."""
    also_written(
        Place(
            "followup",
            FollowUp,
            ("text",),
            ("by",),
            "business_date",
            lambda row: _("follow-up: %s") % row.get_kind_display(),
            of_account(),
        )
    )
