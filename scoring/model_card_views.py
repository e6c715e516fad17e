"""The model card of a scorecard, and signing it off."""

from __future__ import annotations

from typing import cast

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from creditdesk.core.clock import business_date
from creditdesk.core.models import User
from creditdesk.core.pages import desk_page, render_page
from scoring.card_forms import ReasonForm
from scoring.model_card import SigningError, digest, had_a_hand, sections, sign, signatures
from scoring.models import Scorecard
from scoring.publishing import PUBLISH


class SignForm(ReasonForm):
    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self.fields["reason"].label = gettext_lazy("what did you check?")


@desk_page("scoring.view_scorecard")
@require_http_methods(["GET", "POST"])
def model_card(request: HttpRequest, pk: int) -> HttpResponse:
    people = ("created_by", "proposed_by", "decided_by", "based_on")
    rows = Scorecard.objects.select_related(*people).prefetch_related("bins", "reports")
    card = get_object_or_404(rows, pk=pk)
    form = SignForm(request.POST or None)
    user = cast(User, request.user)
    if request.method == "POST" and form.is_valid():
        try:
            sign(card, by=user, words=form.cleaned_data["reason"], as_of=business_date())
        except SigningError as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, _("Signed off. The text is kept as it stands."))
            return redirect("scorecards:model_card", pk)
    signed, now = signatures(card), digest(card)
    context = {
        "title": _("Model card"),
        "card": card,
        "sections": sections(card),
        "signed": signed,
        "digest": now,
        "is_current": bool(signed) and signed[0].figures["digest"] == now,
        "may_sign": card.status != Scorecard.Status.DRAFT
        and request.user.has_perm(PUBLISH)
        and not had_a_hand(card, user),
        "form": form,
    }
    response = render_page(request, "scorecards/model_card.html", context)
    response.status_code = 422 if form.errors else 200
    return response
