"""The kept scores of an account as a file: each with its inputs and the points they earned, so that they add up."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from creditdesk.core.clock import business_date
from creditdesk.core.exports import FORMATS, Export, export_response
from creditdesk.core.models import User
from creditdesk.core.pages import desk_page
from customers.access import visible_accounts
from customers.models import CreditAccount
from scoring.bank_right import ended_for, is_withheld
from scoring.models import ScoreHistory
from scoring.signals import SIGNALS, Signal
from scoring.stored import card_of, points_of, values_of


@desk_page("scoring.view_scorehistory")
@require_safe
def score_export(request: HttpRequest, account_id: int, file_format: str) -> HttpResponse:
    if file_format not in FORMATS:
        raise Http404
    rows = visible_accounts(request.user).select_related("customer", "company")
    account = get_object_or_404(rows, pk=account_id)
    export = history_export(account, request.user, business_date(account.company.time_zone))
    return export_response(export, file_format)  # type: ignore[return-value]


def history_export(account: CreditAccount, reader: User, as_of: date) -> Export:
    """Base + all points = the score, in every row: figures a reader may not see (bank flows, agency reports on a person
    whose legal basis ended) are one sum there."""
    ended = ended_for(reader, account.customer, as_of, past=True)
    shown = [signal for signal in SIGNALS if not is_withheld(signal.name, reader, ended)]
    hidden = len(shown) < len(SIGNALS)
    labels = [str(signal.label) for signal in shown]
    header = [
        _("id"),
        *(_("as of"), _("lateness judged on"), _("recorded at"), _("kept because"), _("scorecard")),
        *(_("score"), _("grade"), _("probability of default"), _("recommendation"), _("data depth")),
        *labels,
        _("base points"),
        *(_("%s, points") % label for label in labels),
        *([_("signals withheld, points") if ended else _("bank flows, points")] if hidden else []),
    ]
    return Export(
        name=f"scores-{account.customer.code}",
        title=_("Score history of %s") % account.customer.name,
        as_of=as_of,
        header=header,
        rows=_rows(account, shown, hidden=hidden),
        facts=[(_("written at"), timezone.now()), (_("written for"), reader.get_username())],
    )


def _rows(account: CreditAccount, shown: list[Signal], *, hidden: bool) -> Iterator[list[Any]]:
    names = {signal.name for signal in shown}
    kept = ScoreHistory.objects.filter(account=account).select_related("card").order_by("-as_of", "-pk")
    for row in kept.iterator(chunk_size=500):
        values, points = values_of(row), points_of(row)
        yield [
            row.pk,
            *(row.as_of, row.judged_on, row.recorded_at, row.get_because_display(), str(row.card)),
            *(row.score, row.grade, row.pd, row.get_recommendation_display(), row.get_depth_display()),
            *(values.get(signal.name) for signal in shown),
            card_of(row).base_points,
            *(points.get(signal.name) for signal in shown),
            *([sum(p for name, p in points.items() if name not in names)] if hidden else []),
        ]
