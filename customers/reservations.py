"""Holding headroom for business that is about to be agreed: reserve, release, use, expire.

`reserve` locks the account that pays (and its group's heads), checks credit and stores the reservation in one
transaction: of two that want the last headroom the second sees the first. A reservation is found again by its outside
reference, so that asking twice is safe. It counts until `expires_at`; what the table calls "active" after that moment
is only waiting to be swept (`expire_reservations`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import QuerySet, Sum
from django.utils.translation import gettext as _

from creditdesk.core.audit import Actor, Change, record_act
from creditdesk.core.clock import business_date_there
from creditdesk.core.money import Money
from customers.checks import CheckRequest, CheckResult, ask_check
from customers.instruments import SegmentTerms
from customers.locks import lock_headroom
from customers.models import CheckPoint, CreditAccount, Customer, OpenOrder, Reservation

Status = Reservation.Status
DEFAULT_MINUTES = 60
LONGEST = timedelta(days=31)


class ReservationError(ValueError):
    """A reservation that cannot be made, released or used; the text says why and what to do.

    code: blocked (the check failed: see `result`), conflict (the reference stands for another business), not_active,
    bad_amount, bad_expiry, bad_reference.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        result: CheckResult | None = None,
        reservation: Reservation | None = None,
    ) -> None:
        super().__init__(message)
        self.code, self.result, self.reservation = code, result, reservation


def active(at: datetime) -> QuerySet[Reservation]:
    return Reservation.objects.filter(status=Status.ACTIVE, expires_at__gt=at)


def reserved(
    account_ids: Iterable[int] | QuerySet,
    at: datetime,
    *,
    without: int | None = None,
    on: date | None = None,
    terms: SegmentTerms | None = None,
) -> dict[tuple[int, str], int]:
    """Minor units held at an instant per (account, currency); one query, two where a day is given without its terms.

    without: a reservation left out. on: the day whose order horizons count; what is delivered later takes no room.
    """
    rows = active(at).filter(account__in=account_ids)
    if without is not None:
        rows = rows.exclude(pk=without)
    found: dict[tuple[int, str], int] = defaultdict(int)
    names = ["account", "currency", "expected_on", "account__segment", "product_line"]
    sums = rows.order_by().values(*names).annotate(total=Sum("amount"))
    for pk, currency, expected_on, segment, line, total in sums.values_list(*names, "total"):
        if on is not None and expected_on is not None and expected_on > on:
            terms = terms or SegmentTerms.load(on)
            if expected_on > on + timedelta(days=terms.days(segment, line)):
                continue
        found[pk, currency] += int(total)
    return found


@transaction.atomic
def reserve(
    account: CreditAccount,
    amount: Money,
    *,
    reference: str,
    actor: Actor,
    as_of: date,
    at: datetime,
    minutes: int = DEFAULT_MINUTES,
    orderer: Customer | None = None,
    expected_on: date | None = None,
    product_line: str = "",
) -> Reservation:
    """Hold `amount` of the account's headroom until `minutes` from `at`, if the credit check passes.

    The same business under the same reference gives the reservation that is there, active or used; nothing is
    checked again. Always asked as an order: at the later points what is reserved does not stand in the way, so that the
    same headroom would be held twice. Raises ReservationError (with the check's result where it is "blocked"), MissingRate.
    """
    reference = reference.strip()
    _check_input(amount, reference, timedelta(minutes=minutes))
    locked, _chain = lock_headroom(account.pk, as_of)
    existing = _live(locked.company_id, reference, at)
    if existing is not None:
        return _same(existing, locked, amount, orderer)
    result = ask_check(
        CheckRequest(
            *(locked, amount, CheckPoint.ORDER, as_of, at),
            orderer=orderer,
            expected_on=expected_on,
            product_line=product_line,
        )
    )
    if not result.passes:
        raise ReservationError("blocked", _("The credit check does not pass: see why."), result=result)
    row = Reservation.objects.create(
        company_id=locked.company_id,
        account=locked,
        orderer=orderer,
        reference=reference,
        currency=amount.currency,
        amount=amount,
        expected_on=expected_on,
        product_line=product_line,
        reserved_on=as_of,
        made_at=at,
        made_by=actor.user,
        made_by_name=actor.name[:80],
        expires_at=at + timedelta(minutes=minutes),
        check_result=result.as_json(),
    )
    record_act(
        "reservation.make",
        actor=actor,
        subject=row,
        business_date=as_of,
        data={"account": locked.pk, "reference": reference},
        changes=[Change.of(row, None, _facts(row))],
    )
    return row


@transaction.atomic
def release_reservation(reservation: Reservation, *, actor: Actor, on: date, at: datetime) -> Reservation:
    """Give the headroom back. A reservation released or expired already stays as it is; a used one is refused."""
    locked = _lock(reservation)
    if locked.status == Status.USED:
        raise ReservationError(
            "not_active",
            _("The reservation became an order: close or change the order instead."),
            reservation=locked,
        )
    if locked.status == Status.ACTIVE:
        to = Status.RELEASED if locked.expires_at > at else Status.EXPIRED
        _close(locked, to, at=at, on=on, actor=actor)
    return locked


def use_reservation(
    reservation: Reservation, order: OpenOrder, *, actor: Actor, on: date, at: datetime
) -> None:
    """The order takes over what was held. In the transaction that stores the order, under the account's lock."""
    locked = _lock(reservation)
    if locked.status != Status.ACTIVE or locked.account_id != order.account_id:
        raise ReservationError(
            "not_active", _("The reservation is not active on this account."), reservation=locked
        )
    locked.order_number = order.number
    _close(locked, Status.USED, at=at, on=on, actor=actor)


@transaction.atomic
def expire_reservations(at: datetime, on: date, *, limit: int = 5000) -> int:
    """Mark what has expired by `at`; returns how many. They stopped counting the moment they expired.

    on: the installation's date; the record of each is dated as its company's is at `at`. Rows somebody else holds are
    left for the next sweep.
    """
    lapsed = Reservation.objects.filter(status=Status.ACTIVE, expires_at__lte=at).order_by("pk")
    rows = list(lapsed.select_for_update(skip_locked=_can_skip())[:limit])
    if not rows:
        return 0
    Reservation.objects.filter(pk__in=[row.pk for row in rows]).update(status=Status.EXPIRED, closed_at=at)
    zones = CreditAccount.objects.filter(pk__in={row.account_id for row in rows})
    zone_of = dict(zones.values_list("pk", "company__time_zone"))
    by_date: dict[date, list[Reservation]] = defaultdict(list)
    for row in rows:
        by_date[business_date_there(zone_of[row.account_id], on, at)].append(row)
    for there, lapsed_there in sorted(by_date.items()):
        record_act(
            "reservation.expire",
            actor=Actor.job("reservations"),
            business_date=there,
            changes=[
                Change.of(row, {"status": Status.ACTIVE}, {"status": Status.EXPIRED}) for row in lapsed_there
            ],
        )
    return len(rows)


def _can_skip() -> bool:
    return bool(transaction.get_connection().features.has_select_for_update_skip_locked)


def _check_input(amount: Money, reference: str, life: timedelta) -> None:
    if amount.minor <= 0:
        raise ReservationError("bad_amount", _("Reserve an amount above zero."))
    if not reference or len(reference) > 120:
        raise ReservationError("bad_reference", _("Name the order by a reference of at most 120 characters."))
    if not timedelta(minutes=1) <= life <= LONGEST:
        raise ReservationError("bad_expiry", _("A reservation lasts from one minute to 31 days."))


def _live(company_id: int, reference: str, at: datetime) -> Reservation | None:
    """The reservation the reference stands for; one that lapsed makes room for a new one."""
    row = (
        Reservation.objects.select_for_update(of=("self",))
        .filter(company=company_id, reference=reference, status__in=[Status.ACTIVE, Status.USED])
        .first()
    )
    if row is not None and row.status == Status.ACTIVE and row.expires_at <= at:
        _close(row, Status.EXPIRED, at=at, on=row.reserved_on, actor=Actor.job("reservations"))
        return None
    return row


def _same(row: Reservation, account: CreditAccount, amount: Money, orderer: Customer | None) -> Reservation:
    if (row.account_id, row.amount, row.orderer_id) != (account.pk, amount, orderer.pk if orderer else None):
        raise ReservationError(
            "conflict",
            _("Reference %(reference)s stands for %(amount)s of another business: release it first.")
            % {"reference": row.reference, "amount": row.amount},
            reservation=row,
        )
    return row


def _lock(reservation: Reservation) -> Reservation:
    return Reservation.objects.select_for_update(of=("self",)).get(pk=reservation.pk)


def _close(row: Reservation, to: str, *, at: datetime, on: date, actor: Actor) -> None:
    before = {"status": row.status}
    row.status, row.closed_at = to, at
    row.save(update_fields=["status", "closed_at", "order_number"])
    record_act(
        _ACTS[to],
        actor=actor,
        subject=row,
        business_date=on,
        changes=[Change.of(row, before, {"status": to, "order": row.order_number})],
    )


_ACTS: dict[Any, str] = {
    Status.RELEASED: "reservation.release",
    Status.EXPIRED: "reservation.expire",
    Status.USED: "reservation.use",
}


def _facts(row: Reservation) -> dict[str, Any]:
    return {"amount": row.amount.minor, "currency": row.currency, "expires_at": row.expires_at}
