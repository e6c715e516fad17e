"""Orders, deliveries, billed parts and cover from files: what is new against what is stored.

They hang on the customer's credit account in the company of the import: the one of the row's segment, else the only
one, else the only one in the row's currency. A list of open orders may give what is open instead of what was ordered;
a row whose open part is what we work out ourselves (customers/stages.py) changes nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any

from django.core.exceptions import ValidationError

from customers.bank.matching import CHUNK
from customers.evidence.mapping import EvidenceSpec, Layout
from customers.evidence.plans import Plan, Row
from customers.imports.problems import WARNING, Problem
from customers.models import (
    BilledPart,
    Company,
    Cover,
    CreditAccount,
    Customer,
    CustomerKey,
    Delivery,
    OpenOrder,
)
from customers.stages import ORDER, stages_at

MODELS: dict[str, Any] = {
    Layout.ORDERS: OpenOrder,
    Layout.DELIVERIES: Delivery,
    Layout.BILLED: BilledPart,
    Layout.COVER: Cover,
}
KEYS: dict[Any, tuple[str, ...]] = {
    OpenOrder: ("number",),
    Delivery: ("number",),
    BilledPart: ("order_number", "delivery_number", "invoice_number", "effective_on"),
    Cover: ("kind", "provider", "policy", "basis", "effective_on"),
}
_EMPTY_TEXT = (
    *("order_number", "delivery_number", "invoice_number", "provider", "policy"),
    "product_line",
)


def people_of(rows: Sequence[Row], people: Mapping[str, Customer], company: Company) -> dict[str, Customer]:
    """Who the names in the file are: as `people` says, else by a key of any of the company's sources."""
    named = {row.values[name] for row in rows for name in ("orderer", "guarantor") if row.values.get(name)}
    names = ({row.customer for row in rows} | named) - set(people)
    found: dict[str, Customer] = dict(people)
    doubtful: set[str] = set()
    for part in _chunks(sorted(names)):
        for customer in Customer.objects.filter(code__in=part).select_related("merged_into"):
            found[customer.code] = customer.merged_into or customer
        keys = CustomerKey.objects.filter(source__company=company, key__in=part)
        for key in keys.select_related("customer__merged_into"):
            customer = key.customer.merged_into or key.customer
            if found.setdefault(key.key, customer).pk != customer.pk:
                doubtful.add(key.key)
    return {name: customer for name, customer in found.items() if name not in doubtful}


def plan_business(
    spec: EvidenceSpec,
    rows: Sequence[Row],
    people: Mapping[str, Customer],
    company: Company,
    problems: list[Problem],
    today: date,
) -> list[Plan]:
    """The plans of an import of one of these layouts; what cannot be taken is added to `problems`."""
    people = people_of(rows, people, company)
    accounts = _accounts({customer.pk for customer in people.values()}, company)
    placed: list[tuple[CreditAccount, Row]] = []
    for row in rows:
        account = _account_of(row, people, accounts, problems)
        if account is not None and _resolve(spec, row, people, problems):
            placed.append((account, row))
    if spec.layout != Layout.ORDERS:
        _check_orders(placed, problems)
    if spec.layout == Layout.DELIVERIES:
        billed = [(account, part) for account, row in placed for part in _billed_with(row)]
        return [_plan(Delivery, placed, problems), _plan(BilledPart, billed, problems)]
    if spec.layout == Layout.ORDERS:
        return [_plan_orders(spec, placed, company, problems, today)]
    return [_plan(MODELS[spec.layout], placed, problems)]


def _chunks(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(values), CHUNK):
        yield values[start : start + CHUNK]


def _accounts(customers: set[int], company: Company) -> dict[int, list[CreditAccount]]:
    found: dict[int, list[CreditAccount]] = defaultdict(list)
    for part in _chunks(sorted(customers)):
        rows = CreditAccount.objects.filter(customer__in=part, company=company, joined_into__isnull=True)
        for account in rows.select_related("segment"):
            found[account.customer_id].append(account)
    return found


def _account_of(
    row: Row,
    people: Mapping[str, Customer],
    accounts: Mapping[int, list[CreditAccount]],
    problems: list[Problem],
) -> CreditAccount | None:
    segment = row.values.pop("segment", None)
    customer = people.get(row.customer)
    if customer is None:
        problems.append(Problem(row.number, "", row.customer, "unknown_customer"))
        return None
    own = accounts.get(customer.pk, [])
    if segment:
        own = [account for account in own if account.segment.code == segment]
    if len(own) > 1:
        own = [account for account in own if account.currency == row.values.get("currency")] or own
    if len(own) != 1:
        problems.append(
            Problem(row.number, "", row.customer, "which_account" if own else "no_credit_account")
        )
        return None
    return own[0]


def _resolve(spec: EvidenceSpec, row: Row, people: Mapping[str, Customer], problems: list[Problem]) -> bool:
    """Names to customers, empty texts, and what the model itself says about the row."""
    values = row.values
    for name in ("orderer", "guarantor"):
        given = values.pop(name, None)
        if given is None:
            continue
        if given not in people:
            problems.append(Problem(row.number, spec.columns.get(name, name), given, "unknown_customer"))
            return False
        values[f"{name}_id"] = people[given].pk
    model = MODELS[spec.layout]
    for name in _EMPTY_TEXT:
        if name in values and values[name] is None:
            values[name] = ""
    if model is BilledPart and not (values.get("order_number") or values.get("delivery_number")):
        problems.append(Problem(row.number, "order_number", "", "missing_value"))
        return False
    if model is Cover:
        values.setdefault("provider", "")
        values.setdefault("policy", "")
        values["basis"] = values.get("basis") or Cover.Basis.NAMED
        if "excludes_disputed" in values:
            values["excludes_disputed"] = bool(values["excludes_disputed"])
        return _allowed(row, problems)
    return True


def _allowed(row: Row, problems: list[Problem]) -> bool:
    """The terms of a cover against the model's own conditions."""
    cover = Cover(**{name: value for name, value in row.values.items() if value is not None})
    try:
        cover.validate_constraints()
    except ValidationError as error:
        problems.append(
            Problem(row.number, "", "", "cover_terms", {"reason": " ".join(error.messages)[:300]})
        )
        return False
    return True


def _billed_with(row: Row) -> Iterator[Row]:
    """The billed part that a row of deliveries speaks of: all of it, unless it says how much."""
    invoice, amount = row.values.pop("invoice_number", None), row.values.pop("billed_amount", None)
    billed_on = row.values.pop("billed_on", None)
    if not invoice:
        return
    values = {
        "order_number": row.values.get("order_number") or "",
        "delivery_number": row.values["number"],
        "invoice_number": invoice,
        "currency": row.values["currency"],
        "amount": amount or row.values["amount"],
        "effective_on": billed_on or row.values["effective_on"],
        "known_on": row.values["known_on"],
    }
    yield Row(row.number, row.customer, values)


def _check_orders(placed: Iterable[tuple[CreditAccount, Row]], problems: list[Problem]) -> None:
    """A delivery or an invoice in another currency than its order cannot be taken off it."""
    named = {row.values["order_number"] for _account, row in placed if row.values.get("order_number")}
    orders: dict[tuple[int, str], str] = {}
    for part in _chunks(sorted(named)):
        rows = OpenOrder.objects.filter(number__in=part, superseded_at__isnull=True)
        for pk, number, currency in rows.values_list("account_id", "number", "currency"):
            orders[pk, number] = currency
    for account, row in placed:
        currency = orders.get((account.pk, row.values.get("order_number") or ""), row.values.get("currency"))
        if currency != row.values.get("currency"):
            params = {"order": row.values["order_number"], "currency": currency}
            problems.append(
                Problem(row.number, "", row.values["currency"], "other_currency", params, WARNING)
            )


def _stored(model: Any, accounts: set[int]) -> dict[tuple[Any, ...], Any]:
    found = {}
    for part in _chunks(sorted(accounts)):
        for fact in model.objects.filter(account__in=part, superseded_at__isnull=True):
            found[fact.account_id, *(getattr(fact, name) for name in KEYS[model])] = fact
    return found


def _plan(model: Any, placed: Sequence[tuple[CreditAccount, Row]], problems: list[Problem]) -> Plan:
    plan = Plan(model)
    stored = _stored(model, {account.pk for account, _row in placed})
    seen: dict[tuple[Any, ...], int] = {}
    for account, row in placed:
        place = (account.pk, *(row.values.get(name) or "" for name in KEYS[model]))
        if place in seen:
            params = {"other_row": seen[place]}
            problems.append(Problem(row.number, "", row.customer, "repeated_row", params))
            continue
        seen[place] = row.number
        old = stored.get(place)
        if old is None:
            plan.new.append((account, row, None))
        elif _same(old, row.values):
            plan.unchanged += 1
        else:
            plan.corrected.append((account, row, old))
    return plan


def _same(old: Any, values: Mapping[str, Any]) -> bool:
    return all(
        value is None or name in ("known_on", "open_on") or old.__dict__[name] == value
        for name, value in values.items()
    )


def _plan_orders(
    spec: EvidenceSpec,
    placed: Sequence[tuple[CreditAccount, Row]],
    company: Company,
    problems: list[Problem],
    today: date,
) -> Plan:
    """Orders; those given by what is open are compared with what we work out to be open on that day."""
    listed = [row for _account, row in placed if "open_amount" in row.values]
    ours = _open_parts({account.pk for account, _row in placed}, listed, today)
    kept, over = [], Plan(OpenOrder)
    stored = _stored(OpenOrder, {account.pk for account, _row in placed})
    for account, row in placed:
        if "open_amount" not in row.values:
            row.values.pop("open_on", None)
            kept.append((account, row))
            continue
        minor = row.values.pop("open_amount") or 0
        on = row.values["open_on"] = row.values.get("open_on") or today
        old = stored.get((account.pk, row.values["number"]))
        rest = {name: value for name, value in row.values.items() if name not in ("open_on", "amount")}
        if not minor:
            # Nothing is open any more: the order is closed as it was.
            if old is None or old.closed_on is not None:
                over.unchanged += 1
            else:
                closing = {"closed_on": on, "effective_on": old.effective_on, "known_on": today}
                over.corrected.append((account, Row(row.number, row.customer, closing), old))
        elif old is not None and ours[on].get((account.pk, old.number)) == minor and _same(old, rest):
            over.unchanged += 1
        else:
            row.values["amount"] = minor
            kept.append((account, row))
    plan = _plan(OpenOrder, kept, problems)
    plan.corrected += over.corrected
    plan.unchanged += over.unchanged
    if spec.complete:
        _close_missing(plan, stored, placed, company, today)
    return plan


def _open_parts(
    accounts: set[int], rows: Iterable[Row], today: date
) -> dict[date, dict[tuple[int, str], int]]:
    """{day: {(account, order number): minor units open by our own reckoning}} for each day the rows speak of."""
    found: dict[date, dict[tuple[int, str], int]] = {}
    for on in {row.values.get("open_on") or today for row in rows}:
        found[on] = {}
        for part in _chunks(sorted(accounts)):
            for stage in stages_at(part, on, also_held=True):
                if stage.kind == ORDER:
                    found[on][stage.account_id, stage.number] = stage.counted
    return found


def _close_missing(
    plan: Plan,
    stored: Mapping[tuple[Any, ...], OpenOrder],
    placed: Sequence[tuple[CreditAccount, Row]],
    company: Company,
    today: date,
) -> None:
    """The file lists every open order of the company: one that is not in it is open no more."""
    listed = {(account.pk, row.values["number"]) for account, row in placed}
    orders = OpenOrder.objects.filter(
        account__company=company, superseded_at__isnull=True, closed_on__isnull=True, effective_on__lte=today
    )
    for order in orders.select_related("account").iterator(chunk_size=CHUNK):
        if (order.account_id, order.number) not in listed:
            values = {"closed_on": today, "effective_on": order.effective_on, "known_on": today}
            plan.corrected.append((order.account, Row(0, "", values), order))
