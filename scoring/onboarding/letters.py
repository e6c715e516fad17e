"""The letter that tells a customer what was decided and why, in the customer's language, as a PDF.

Told are reasons a customer can check: what its payments, accounts, bank lines and the registers show. Points,
thresholds and the note for the file stay inside. Nothing adverse about a natural person leaves without the name of
who decided it, and with how to contest it (GDPR art. 15 and 22; the month to answer is that of art. 12).
"""

from __future__ import annotations

import hashlib
import json
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from creditdesk.core.audit import Actor, Change, record_act
from creditdesk.core.models import User
from creditdesk.core.wording import day, percent_of_100
from customers.applications import ApplicationError
from customers.limit_evidence import money_of
from customers.models import Cover
from scoring.decision_reasons import Reason, reasons_of
from scoring.models import Decision, DecisionLetter, Recommendation

TEMPLATE = Path(__file__).with_name("letter.typ")
NOT_TOLD = {"score", "override", "natural_person", "limit", "rise_held", "shorter_terms", "guarantees"}
NOT_TOLD |= {"less_than_asked", "nothing_left", "need_unknown", "grey_zone", "no_rate", "no_score"}
NOT_TOLD |= {"score_of_another_day", "score_does_not_add_up", "prospect_by_rule", "prospect_for_person"}
"""Reasons of the desk's own: said by the terms of the letter, or of no meaning to a customer."""


def language_of(decision: Decision) -> str:
    """The customer's language where the product speaks it, else English."""
    wanted = (decision.account.customer.language or "").split("-")[0]
    return wanted if wanted in dict(settings.LANGUAGES) else "en"


def may_be_told(reason: Reason) -> bool:
    """A fact about the customer that is known; not what is missing, nor what only the desk cares about."""
    if reason.is_erased or reason.code in NOT_TOLD:
        return False
    return not (reason.is_signal and reason.value is None)


def told_reasons(decision: Decision) -> list[Reason]:
    """What stands in the letter, in the active language: all a person chose, else what told against the customer."""
    found = [reason for reason in reasons_of(decision, named=True) if may_be_told(reason)]
    if decision.by_kind == Decision.By.PERSON:
        return found
    return [reason for reason in found if reason.points is None or reason.points < 0]


def check_may_tell(decision: Decision) -> None:
    """Raises ApplicationError while there is nothing to tell, or nobody to stand for it."""
    if decision.outcome == Recommendation.REVIEW:
        raise ApplicationError("state", _("A person has yet to decide: there is nothing to tell."))
    if (
        decision.concerns_natural_person
        and decision.outcome != Recommendation.APPROVED
        and decision.decided_by is None
    ):
        raise ApplicationError("state", _("A named person has to decide before this is told."))


@transaction.atomic
def letter_for(decision: Decision, *, by: User, on: date) -> DecisionLetter:
    """The letter on a decision in the customer's language: the one kept, or written and kept now.

    Raises ApplicationError.
    """
    check_may_tell(decision)
    language = language_of(decision)
    Decision.objects.select_for_update(of=("self",)).get(pk=decision.pk)
    kept = DecisionLetter.objects.filter(decision=decision, language=language).first()
    if kept is not None:
        return kept
    content = render(compose(decision, on, language))
    made = DecisionLetter.objects.create(
        decision=decision,
        language=language,
        content=content,
        sha256=hashlib.sha256(content).hexdigest(),
        made_by=by,
    )
    record_act(
        "application.letter",
        actor=Actor.person(by),
        subject=decision.account,
        business_date=on,
        data={"decision": str(decision.public_id)},
        changes=[Change.of(made, None, {"language": language, "sha256": made.sha256})],
    )
    return made


def compose(decision: Decision, on: date, language: str) -> dict[str, Any]:
    """Everything the letter says, as plain text in `language`."""
    with translation.override(language):
        customer, company = decision.account.customer, decision.account.company
        application = decision.application
        contact = application.contact_name if application else ""
        lines = [customer.name, *([contact] if contact and contact != customer.name else [])]
        if customer.city or customer.country:
            lines.append(" ".join(part for part in (customer.city, customer.country) if part))
        reasons = [in_letter(reason) for reason in told_reasons(decision)]
        asked_on = application.received_on if application else decision.as_of
        return {
            "language": language,
            "sender": {"name": company.name},
            "recipient": {"lines": lines},
            "place_and_day": day(on),
            "subject": _("Your credit application of %s") % day(asked_on),
            "greeting": _("Dear Sir or Madam,"),
            "opening": [_opening(decision)],
            "terms": _terms(decision),
            "reasons_heading": _("We decided so for these reasons:") if reasons else "",
            "reasons": reasons,
            "closing": _closing(decision),
            "farewell": _("Yours faithfully,"),
            "signed": _signed(decision, company.name),
            "footer": _("Decision %s") % decision.public_id,
        }


def in_letter(reason: Reason) -> str:
    """The reason as a customer reads it: without the desk's own "a person decides"."""
    if reason.code == "no_history":
        return _("There is no payment history with us yet.")
    if reason.code == "thin_history":
        return _("There is little payment history with us so far.")
    return reason.text


def _opening(decision: Decision) -> str:
    if decision.outcome == Recommendation.DECLINED:
        return _("we have examined your application and regret that we cannot grant you credit at present.")
    if decision.outcome == Recommendation.GUARANTEES:
        return _(
            "we have examined your application and will gladly supply you on credit, as soon as we have the "
            "guarantees named below."
        )
    return _("we have examined your application and are pleased to supply you on credit.")


def _terms(decision: Decision) -> list[tuple[str, str]]:
    if decision.outcome == Recommendation.DECLINED:
        return []
    rows = []
    if decision.limit is not None:
        rows.append((_("Credit limit"), str(decision.limit)))
    if decision.requested is not None and decision.requested != decision.limit:
        rows.append((_("You asked for"), str(decision.requested)))
    if decision.terms_days is not None:
        days = ngettext("%s day", "%s days", decision.terms_days) % decision.terms_days
        rows.append((_("Payment terms"), days))
    asked = decision.guarantees
    if asked:
        amount = _("%(amount)s (%(share)s of the limit)") % {
            "amount": money_of(asked["amount"]),
            "share": percent_of_100(asked["percent"]),
        }
        rows.append((_("To be guaranteed"), amount))
        kinds = [str(Cover.Kind(kind).label) for kind in asked["kinds"]]
        rows.append((_("By one of these"), ", ".join(kinds)))
    return rows


def _closing(decision: Decision) -> list[str]:
    said = []
    if decision.outcome != Recommendation.DECLINED:
        said.append(
            _("The limit is in force when we confirm it. We review it regularly and tell you of any change.")
        )
    if decision.outcome == Recommendation.DECLINED:
        said.append(_("Deliveries against payment in advance remain possible."))
    if decision.concerns_natural_person:
        said.append(
            _(
                "You may ask us which data we used and have wrong data corrected. You may also say what you think "
                "of this decision and contest it: a person who did not take it looks at it again and answers you "
                "within one month."
            )
        )
    elif decision.outcome == Recommendation.DECLINED:
        said.append(_("If facts are missing or wrong, send them to us: we look at your application again."))
    return said


def _signed(decision: Decision, company: str) -> str:
    if decision.decided_by is None:
        return company
    person = decision.decided_by.get_full_name() or decision.decided_by.get_username()
    return f"{person}, {company}"


@lru_cache(maxsize=1)
def _template() -> bytes:
    return TEMPLATE.read_bytes()


def render(letter: dict[str, Any]) -> bytes:
    """The PDF of a composed letter; only the fonts that come with the typesetter are used."""
    import typst

    return typst.compile(
        _template(), sys_inputs={"letter": json.dumps(letter)}, ignore_system_fonts=True, format="pdf"
    )
