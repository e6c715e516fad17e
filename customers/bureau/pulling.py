"""Asking: the walk of the plan, one agency after the other, until one gives a rating.

Three steps for each question. (1) A short transaction takes the question (one a day and agency, the price out of the
month's budget) before anything is sent. (2) The network, outside of any transaction. (3) One transaction stores the
answer, closes the question, writes the trail and tells who listens. Killed between (1) and (3), the question stays
open: an agency that knows idempotency keys is asked again with the same one, any other is shown as in doubt.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from uuid import uuid4

from django.db import IntegrityError, transaction
from django.utils import timezone

from creditdesk.core.audit import Actor, record_act
from creditdesk.core.money import Money
from creditdesk.core.sentences import Sentence, sentence_of, stored
from creditdesk.core.sentences import gettext as _
from customers.bureau.adapters import (
    AgencyError,
    Answer,
    BadAnswer,
    Question,
    Terms,
    Unavailable,
    adapter_named,
)
from customers.bureau.ages import asked_today
from customers.bureau.bases import lacks_basis
from customers.bureau.budget import budgets
from customers.bureau.secrets import secret_of
from customers.bureau.storing import close, keep_payload, store_answer
from customers.bureau.waterfall import PullPlan, Refusal, Step, Verdict, plan_pull
from customers.models import BureauProvider, BureauPull, BureauReport, Customer

logger = logging.getLogger(__name__)

EACH_SECONDS = 15.0
TOTAL_SECONDS = 25.0
# Nobody else repeats a question before this: longer than any question may take.
LEASE = timedelta(minutes=2)
Outcome = BureauPull.Outcome
_SKIPPED = {Verdict.TOO_YOUNG: Outcome.TOO_YOUNG, Verdict.NO_BUDGET: Outcome.NO_BUDGET}


class ReasonMissing(ValueError):
    """Asking in spite of the age rule takes a reason, which is kept."""


@dataclass(slots=True)
class PullResult:
    """What came of a walk: the plan it followed, the questions asked in order, the rated report or None."""

    plan: PullPlan
    pulls: list[BureauPull] = field(default_factory=list)
    report: BureauReport | None = None


def pull(
    customer_id: int,
    as_of: date,
    *,
    actor: Actor,
    cause: str,
    reason: str = "",
    in_spite_of_age: bool = False,
    among: Collection[int] | None = None,
    seconds: float = TOTAL_SECONDS,
) -> PullResult:
    """Ask about a customer on a business date, as planned. Never inside a transaction: it asks over the network.

    Safe to be run twice, also at once: a question answered on this business date is neither asked nor paid again.
    Raises ReasonMissing.
    """
    reason = reason.strip()[:300]
    if in_spite_of_age and not reason:
        raise ReasonMissing(_("Say why it is asked in spite of the age rule."))
    deadline = time.monotonic() + seconds
    customer = Customer.objects.get(pk=customer_id)
    plan = plan_pull(customer, as_of, cause, now=timezone.now(), in_spite_of_age=in_spite_of_age, among=among)
    result = PullResult(plan)
    asked: dict[str, Any] = {"actor": actor, "reason": reason}
    for step in plan.askable:
        left = deadline - time.monotonic()
        if left < 1:
            break
        opened = _open(plan, step, **asked)
        if opened is None:
            continue
        result.pulls.append(opened)
        if opened.outcome == Outcome.ASKED:
            left = min(EACH_SECONDS, left)
            result.report = _ask(opened, customer, on=as_of, actor=actor, seconds=left)
        if result.report is not None and result.report.outcome == BureauReport.Outcome.RATED:
            return result
    result.report = None
    if not plan.askable:
        result.pulls += _log_skipped(plan, **asked)
    return result


def _new(plan: PullPlan, provider: BureauProvider, actor: Actor, reason: str) -> BureauPull:
    return BureauPull(
        customer=plan.customer,
        provider=provider,
        cause=plan.cause,
        reason=reason,
        in_spite_of_age=plan.in_spite_of_age,
        asked_on=plan.as_of,
        asked_at=timezone.now(),
        asked_by=actor.user,
        actor_name=actor.name[:80],
        idempotency_key=uuid4(),
        currency=provider.currency,
        price=provider.price,
    )


def _open(plan: PullPlan, step: Step, *, actor: Actor, reason: str) -> BureauPull | None:
    """Take the question, under the agency's lock; None: somebody else has it, or had it since the plan was made.

    Over budget, or without a legal basis by now: closed at once.
    """
    now = timezone.now()
    with transaction.atomic(durable=True):
        provider = BureauProvider.objects.select_for_update().get(pk=step.provider.pk)
        if not provider.is_on:
            return None
        row, refused = _new(plan, provider, actor, reason), None
        if lacks_basis(plan.customer, plan.as_of):
            refused = Outcome.NO_BASIS
        elif step.lost is not None:
            taken = _take_lost(step.lost, provider, now, actor)
            if taken is None or taken.outcome == Outcome.ASKED:
                return taken
        elif not plan.in_spite_of_age and asked_today(plan.customer.pk, [provider], plan.as_of):
            return None
        if refused is None and not budgets([provider], plan.as_of)[provider.pk].allows(provider.price):
            refused = Outcome.NO_BUDGET
        if refused is not None:
            row.outcome, row.answered_at, row.charged = refused, now, Money.zero(row.currency)
            row.save()
            return row
        row.claimed_until = now + LEASE
        try:
            with transaction.atomic():
                row.save(force_insert=True)
        except IntegrityError:
            return None
        return row


def _take_lost(lost: BureauPull, provider: BureauProvider, now: datetime, actor: Actor) -> BureauPull | None:
    """The lost question with its key, to be sent again; or put down as doubtful, and a new one may be asked. None: taken."""
    row = BureauPull.objects.select_for_update().get(pk=lost.pk)
    if row.outcome != Outcome.ASKED or (row.claimed_until and row.claimed_until > now):
        return None
    row.provider = provider
    if adapter_named(provider.adapter).repeats(provider.settings):
        row.claimed_until, row.attempts = now + LEASE, row.attempts + 1
        row.save(update_fields=["claimed_until", "attempts"])
        return row
    put_in_doubt(row, now=now, actor=actor)
    return row


def put_in_doubt(row: BureauPull, *, now: datetime, actor: Actor) -> None:
    """A question that went out and of which no answer was kept: it counts as charged, and the trail says so."""
    close(row, Outcome.DOUBT, now=now, charged=row.price)
    record_act(
        "bureau.doubt",
        actor=actor,
        subject=row.customer,
        reason_code=Outcome.DOUBT,
        business_date=row.asked_on,
        data={"agency": row.provider.slug, "pull": row.pk, "charged": str(row.price)},
    )


def _ask(
    row: BureauPull, customer: Customer, *, on: date, actor: Actor, seconds: float
) -> BureauReport | None:
    """on: the day of asking, which is later than the question's where a lost one is repeated."""
    provider = row.provider
    try:
        answer = _answer(row, customer, on, seconds)
    except AgencyError as error:
        _failed(row, error, actor)
        return None
    except Exception:
        logger.exception("The adapter %s failed on question %s", provider.adapter, row.pk)
        _failed(row, BadAnswer("", _("The adapter failed on the answer: see the log of the server.")), actor)
        return None
    with transaction.atomic(durable=True):
        if not _still_mine(row):
            return None
        # A second time: an import may have stored a report of the same day at the same moment.
        for _attempt in range(2):
            try:
                with transaction.atomic():
                    return store_answer(row, answer, on=on, actor=actor, now=timezone.now())
            except (IntegrityError, ValueError, TypeError) as error:
                # An adapter of one's own may hand on what no report can hold; nothing half-done stays.
                logger.warning("The answer to question %s cannot be stored: %s", row.pk, error)
                row.refresh_from_db()
                if not isinstance(error, IntegrityError):
                    break
        bad = BadAnswer("", _("The answer holds values that no report can have: correct the adapter."))
        bad.payload = answer.payload
        _close_failed(row, bad, actor)
        return None


def _answer(row: BureauPull, customer: Customer, on: date, seconds: float) -> Answer:
    provider = row.provider
    question = Question(
        name=customer.name,
        country=customer.country,
        kind=customer.kind,
        as_of=on,
        vat_number=customer.vat_number,
        registration_number=customer.registration_number,
        lei=customer.lei,
        city=customer.city,
        number=customer.code,
        product=provider.product,
        idempotency_key=str(row.idempotency_key),
    )
    terms = Terms(provider.settings, secret_of(provider), seconds)
    return adapter_named(provider.adapter).ask(question, terms)


def _still_mine(row: BureauPull) -> bool:
    """Whether the question is open yet: whoever took longer than the lease may find it settled by somebody else."""
    now = BureauPull.objects.select_for_update(of=("self",)).get(pk=row.pk)
    row.outcome = now.outcome
    return now.outcome == Outcome.ASKED and now.attempts == row.attempts


def _failed(row: BureauPull, error: AgencyError, actor: Actor) -> None:
    with transaction.atomic(durable=True):
        if _still_mine(row):
            _close_failed(row, error, actor)


def _close_failed(row: BureauPull, error: AgencyError, actor: Actor) -> None:
    """Close a question of which nothing came. What may have been charged counts as charged."""
    now = timezone.now()
    said = sentence_of(error)
    text = stored(said) if isinstance(said, Sentence) else said[:500]
    detail = {"text": text, "retry_after": error.retry_after}
    was_sent = isinstance(error, Unavailable) and error.was_sent
    if was_sent and adapter_named(row.provider.adapter).repeats(row.provider.settings):
        # Stays open: the same question with the same key may be sent again at once.
        row.claimed_until, row.detail = now, detail
        row.save(update_fields=["claimed_until", "detail"])
        return
    if was_sent:
        put_in_doubt(row, now=now, actor=actor)
        return
    charged = row.price if isinstance(error, BadAnswer) else Money.zero(row.currency)
    keep_payload(row, error.payload, now)
    close(row, error.outcome, now=now, charged=charged, detail=detail)


def _log_skipped(plan: PullPlan, *, actor: Actor, reason: str) -> list[BureauPull]:
    """Why nobody was asked, unless the newest line about the customer and the agency says so already."""
    if plan.refusal == Refusal.USABLE and plan.usable is not None:
        wanted = [(plan.usable[0], Outcome.TOO_YOUNG)]
    elif plan.refusal == Refusal.NO_BASIS:
        wanted = [(step.provider, Outcome.NO_BASIS) for step in plan.steps[:1]]
    else:
        wanted = [(step.provider, _SKIPPED[step.verdict]) for step in plan.steps if step.verdict in _SKIPPED]
    found = []
    with transaction.atomic(durable=True):
        for provider, outcome in wanted:
            lines = BureauPull.objects.filter(customer=plan.customer, provider=provider)
            if lines.order_by("-asked_at", "-pk").values_list("outcome", flat=True).first() == outcome:
                continue
            row = _new(plan, provider, actor, reason)
            row.outcome, row.answered_at, row.charged = outcome, row.asked_at, Money.zero(row.currency)
            row.save()
            found.append(row)
    return found
