"""Scoring an application from what is there, and the rules' answer to it."""

from __future__ import annotations

from datetime import date

from django.db import transaction
from django.utils.translation import gettext as _

from creditdesk.core.audit import Actor
from customers.applications import ApplicationError, lock_application, move_application, stands_at
from customers.bank.access import log_scoring_pass
from customers.bank.consents import consent_of
from customers.bank.feeds import BankReport, Options, guess_mapping, run_bank_import
from customers.documents import opened
from customers.models import ApplicationDocument, CreditAccount, CreditApplication
from scoring.decisions import decide
from scoring.engine import rescore
from scoring.models import Decision, Recommendation
from scoring.statement import Scope

Status = CreditApplication.Status

SETTLED = {
    Recommendation.APPROVED: Status.GRANTED,
    Recommendation.GUARANTEES: Status.GRANTED,
    Recommendation.DECLINED: Status.DECLINED,
}
"""Where an outcome leads. A decision for review leaves the application open: a person settles it."""


@transaction.atomic
def assess(application: CreditApplication | int, *, as_of: date, actor: Actor) -> Decision:
    """Score the account anew and let the rules answer. Where they may decide alone, the application moves on.

    As often as evidence comes in, until a limit is proposed. A person's decision is not undone by it: that takes a
    person again (scoring/onboarding/deciding.py). Raises ApplicationError.
    """
    locked = lock_application(application)
    before = latest_decision(locked)
    if not may_assess(locked, before):
        raise ApplicationError("state", _("A person decided on this application, or it is over."))
    account = locked.account
    log_scoring_pass(
        reader=actor, as_of=as_of, accounts=CreditAccount.objects.filter(pk=account.pk), each=True
    )
    rescore(as_of, Scope.of([account.pk]))
    made = decide(
        account,
        as_of,
        asked_by=actor,
        requested=locked.requested,
        terms_days=locked.requested_terms_days,
        application=locked,
    )
    status = SETTLED.get(Recommendation(made.outcome), Status.OPEN)
    if status != locked.status:
        move_application(locked, status, actor=Actor.policy("decision rules"), on=as_of)
    return made


def may_assess(application: CreditApplication, latest: Decision | None) -> bool:
    """Until a person has decided, or a limit is on its way."""
    undecided = latest is None or latest.by_kind == Decision.By.RULES
    return undecided and stands_at(application) in (Status.OPEN, Status.GRANTED, Status.DECLINED)


def latest_decision(application: CreditApplication) -> Decision | None:
    """What was last answered to an application, by the rules or by a person."""
    rows = Decision.objects.filter(application=application).select_related("decided_by", "card", "kept")
    return rows.select_related("account__customer", "account__company").order_by("-pk").first()


def read_bank_lines(document: ApplicationDocument, *, options: Options, actor: Actor) -> BankReport:
    """Take the bank lines of a document (CAMT.053 or MT940) in, under the customer's consent.

    options: those of the bank import; customer and file name are the document's. Raises ApplicationError without a
    consent in force, ImportRefused when the file is none.
    """
    customer = document.application.account.customer
    if consent_of(customer, options.today) is None:
        raise ApplicationError(
            "evidence",
            _("No consent of the customer is in force: record one before its bank lines are read."),
        )
    with opened(document) as path:
        return run_bank_import(
            path,
            guess_mapping(path),
            Options(
                today=options.today,
                commit=options.commit,
                customer=customer,
                company=document.application.account.company.code,
                user=options.user,
                file_name=document.name,
            ),
        )
