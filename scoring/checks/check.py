"""One credit check: gather the facts of everybody concerned, ask every rule at every level, answer with all failures.

Levels are kept apart: who pays answers for the money, who orders for its own behaviour, each head of the payer's
group whose limit binds for the whole tree below it, and where it is set so the total over all our companies
(customers/bindings.py), besides each company's own limit or in its place.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

from creditdesk.core.money import Money
from customers.access import places_of
from customers.bindings import Binds, Bound, Scope, bound_at, reached, scopes_of
from customers.checks import GROUP, ORDERER, PAYER, TOTAL, CheckRequest, CheckResult, Failure, Room
from customers.groups import Tree, group_of
from customers.instruments import SegmentTerms
from customers.models import CheckPoint, CreditAccount, Customer
from scoring.checks.facts import AccountFacts, Late, Rates, gather
from scoring.checks.rules import LEAVING, Case, failures_of, room, tolerance
from scoring.checks.terms import EVERY, MARKED, NONE, CheckTerms, RuleTerms, terms_of
from scoring.models import CheckRuleCode


def check_credit(
    account: CreditAccount,
    amount: Money,
    *,
    point: str = CheckPoint.ORDER,
    as_of: date,
    at: datetime,
    orderer: Customer | None = None,
    counted: Money | None = None,
    expected_on: date | None = None,
    exclude_reservation: int | None = None,
    product_line: str = "",
) -> CheckResult:
    """May this business be taken on with the account that pays? Reads only; see CheckRequest for the arguments.

    What must not be overtaken by another business is checked under `lock_headroom`, as reservations and orders do.
    Raises MissingRate, and LookupError where no policy is in force.
    """
    return answer(
        CheckRequest(
            *(account, amount, point, as_of, at, orderer, counted, expected_on, exclude_reservation),
            product_line=product_line,
        )
    )


def answer(request: CheckRequest, terms: CheckTerms | None = None) -> CheckResult:
    """The answer under the policy in force, or under `terms` to be tried in its place."""
    account = _loaded(request.account)
    terms = terms or terms_of(account, request.as_of)
    rules = terms.at(request.point)
    rates = Rates(request.as_of)
    segments = SegmentTerms.load(request.as_of)
    horizon = segments.days(account.segment_id, request.product_line)
    tree = group_of(account.customer_id, request.as_of)
    line = [account.customer_id, *tree.above(account.customer_id)]
    bound = bound_at(line, account.company_id, request.as_of)
    scopes = scopes_of(bound, account, tree)
    members = {} if terms.group_binds == NONE else _members(account, tree)
    binding = _binding(account, tree, members, terms)
    orderer = _orderer(request, account, terms)
    wanted: dict[int, CreditAccount] = {account.pk: account}
    for head in binding:
        wanted |= {members[pk].pk: members[pk] for pk in tree.below(head) if pk in members}
    wanted |= _with_our_companies(scopes, wanted)
    if isinstance(orderer, CreditAccount):
        wanted[orderer.pk] = orderer
    facts = gather(
        wanted,
        request.as_of,
        request.at,
        rates=rates,
        segments=segments,
        older_days=sorted({rule.number or 0 for rule in rules if rule.code == CheckRuleCode.OLDEST_ITEM}),
        promise_days=max(
            (rule.number or 0 for rule in rules if rule.code == CheckRuleCode.BROKEN_PROMISE), default=None
        ),
        wants={rule.code for rule in rules},
        without_reservation=request.exclude_reservation,
    )
    beyond = request.expected_on is not None and request.expected_on > request.as_of + timedelta(days=horizon)
    new = _new(request, beyond)
    asking = Asking(request, account, terms, rules, rates, new)
    own = _case(PAYER, account, [facts[account.pk]], request, new, account.currency, rates)
    own_binds = bound.binds != Binds.TOTAL or (own.limit is not None and not own.limit.minor)
    # Where only the total binds, a limit of zero still says: no business with this company.
    failures, room = asking.of(own, rules if own_binds else _without_headroom(rules))
    rooms = [replace(room, binds=own_binds)]
    failures += _of_orderer(orderer, facts, rules, request, terms, rates, account)
    for failed, room in _of_totals(asking, scopes, bound, own, facts):
        failures, rooms = failures + failed, [*rooms, room]
    on_group = tuple(rule for rule in rules if rule.on_group)
    for head in binding:
        top = members[head]
        below = [facts[members[pk].pk] for pk in sorted(tree.below(head)) if pk in members]
        case = _case(GROUP, top, below, request, new, top.currency, rates)
        failed, room = asking.of(case, on_group)
        asked = any(rule.code == CheckRuleCode.HEADROOM for rule in on_group)
        failures, rooms = failures + failed, [*rooms, replace(room, binds=asked and case.limit is not None)]
    return _result(asking, own, failures, rooms, horizon, beyond)


@dataclass(frozen=True, slots=True)
class Asking:
    """One question with what it is measured by; asks the rules of each party in turn."""

    request: CheckRequest
    account: CreditAccount
    terms: CheckTerms
    rules: tuple[RuleTerms, ...]
    rates: Rates
    new: Money

    def of(self, case: Case, rules: tuple[RuleTerms, ...]) -> tuple[list[Failure], Room]:
        """Every failing rule of a party, and what its limit leaves."""
        failures = failures_of(case, _with_amounts(rules, self.terms, case.currency, self.rates))
        amounts = (case.limit, case.exposure, case.reserved, case.new)
        free = _room(case, self.rules, self.terms, self.rates)
        found = Room(case.level, case.customer_id, case.customer, *amounts, free)
        return failures, replace(found, ceiling=case.ceiling, places=case.places)


def _without_headroom(rules: tuple[RuleTerms, ...]) -> tuple[RuleTerms, ...]:
    return tuple(rule for rule in rules if rule.code != CheckRuleCode.HEADROOM)


def _with_our_companies(scopes: list[Scope], known: dict[int, CreditAccount]) -> dict[int, CreditAccount]:
    """The accounts, with all our companies, that the totals count; one query where a total binds."""
    people = reached(scopes)
    if not people:
        return {}
    rows = CreditAccount.objects.filter(customer__in=people, joined_into__isnull=True).exclude(pk__in=known)
    return {row.pk: row for row in rows.select_related("customer", "collector")}


def _of_totals(
    asking: Asking, scopes: list[Scope], bound: Bound, own: Case, facts: dict[int, AccountFacts]
) -> Iterator[tuple[list[Failure], Room]]:
    """The headroom rule for each total over our companies, in the paying account's currency."""
    rules = tuple(rule for rule in asking.rules if rule.code == CheckRuleCode.HEADROOM)
    currency, account = asking.account.currency, asking.account
    for scope in scopes:
        rows = [row for row in facts.values() if row.account.customer_id in scope.customers]
        case = replace(
            _case(TOTAL, account, rows, asking.request, asking.new, currency, asking.rates),
            limit=scope.limit((row.limit.in_force for row in rows), currency, asking.rates),
            customer_id=scope.customer.pk,
            customer=scope.customer.name,
            account_id=account.pk if scope.customer.pk == account.customer_id else None,
            ceiling=not scope.pooled,
        )
        # Without a limit with this company the payer's own rule has said so already.
        told = case.limit is None and bound.binds != Binds.TOTAL
        failed, room = asking.of(case, () if told else rules)
        yield failed, replace(room, binds=bool(rules) and not told)


def _loaded(account: CreditAccount) -> CreditAccount:
    """With what the check reads of it; one query unless the caller (a lock) has loaded it."""
    known = account._state.fields_cache
    if {"customer", "segment", "collector"} <= known.keys():
        return account
    return CreditAccount.objects.select_related("customer", "segment", "collector").get(pk=account.pk)


def _members(account: CreditAccount, tree: Tree) -> dict[int, CreditAccount]:
    """{customer id: account} of the whole group in the account's own segment; one query where there is a group."""
    people = set(tree.parents) | set(tree.members)
    if not people:
        return {account.customer_id: account}
    rows = CreditAccount.objects.filter(
        customer__in=people, segment=account.segment_id, joined_into__isnull=True
    ).select_related("customer", "collector")
    return {row.customer_id: row for row in rows} | {account.customer_id: account}


def _binding(
    account: CreditAccount, tree: Tree, members: dict[int, CreditAccount], terms: CheckTerms
) -> list[int]:
    """The heads whose limit binds the tree below them, nearest first; the payer itself may be one."""
    line = [account.customer_id, *tree.above(account.customer_id)]
    heads = [pk for pk in line if pk in members and tree.members.get(pk)]
    if terms.group_binds == EVERY:
        return heads
    if terms.group_binds == MARKED:
        return [pk for pk in heads if members[pk].limit_is_for_group]
    return []


def _orderer(
    request: CheckRequest, account: CreditAccount, terms: CheckTerms
) -> CreditAccount | Customer | None:
    """Who orders, where that is somebody else: by its account in the payer's segment, if it has one."""
    if not terms.check_orderer or request.orderer is None or request.orderer.pk == account.customer_id:
        return None
    own = (
        CreditAccount.objects.select_related("customer", "segment", "collector")
        .filter(customer=request.orderer.pk, segment=account.segment_id, joined_into__isnull=True)
        .first()
    )
    return own or request.orderer


def _new(request: CheckRequest, beyond: bool) -> Money:
    """What the business adds to what is counted at its point."""
    if request.adds is not None:
        return request.adds
    if request.point in (CheckPoint.PICK, CheckPoint.DELIVERY):
        return request.amount
    counted = request.counted or Money.zero(request.amount.currency)
    if request.point == CheckPoint.INVOICE:
        return request.amount - counted
    return -counted if beyond else request.amount - counted


def _case(
    level: str,
    account: CreditAccount,
    facts: list[AccountFacts],
    request: CheckRequest,
    new: Money,
    currency: str,
    rates: Rates,
) -> Case:
    """The party's facts in one currency; a group's are its members' together, its limit and score the head's."""
    own = next(f for f in facts if f.account.pk == account.pk)

    def total(values: Iterable[Money]) -> Money:
        return sum((rates.convert(money, currency) for money in values), Money.zero(currency))

    leaving = request.point in LEAVING

    def exposed(f: AccountFacts) -> Money:
        owed = f.exposure.total
        if leaving:
            owed -= f.exposure.open_orders
        elif request.already is not None and f.account.pk == request.account.pk:
            owed -= rates.convert(request.already, owed.currency)
        # One member's credit balance does not pay what another owes, nor one of our companies another's claims.
        return max(owed, Money.zero(owed.currency)) if level in (GROUP, TOTAL) else owed

    broken = [(day, rates.convert(money, currency)) for f in facts for day, money in f.broken]
    paid = [f.last_paid_on for f in facts if f.last_paid_on]
    holds = [reason for f in facts for reason in f.holds] if level != GROUP else own.holds
    collector = account.collector
    return Case(
        level=level,
        point=request.point,
        as_of=request.as_of,
        account_id=account.pk,
        customer_id=account.customer_id,
        customer=account.customer.name,
        currency=currency,
        amount=rates.convert(request.amount, currency),
        new=rates.convert(new, currency),
        exposure=total(exposed(f) for f in facts),
        reserved=Money.zero(currency) if leaving else total(f.reserved for f in facts),
        limit=own.limit.in_force,
        late=_late_of([f.late for f in facts], currency, rates),
        status=own.status,
        judged_on=own.judged_on,
        holds=tuple(holds),
        broken=tuple(sorted(broken, key=lambda item: item[0])),
        dunning_level=max(f.dunning_level for f in facts),
        last_paid_on=max(paid, default=None),
        score=own.score,
        grade=own.grade,
        collector=(collector.get_full_name() or collector.get_username()) if collector else "",
        members=len(facts),
        places=places_of(f.account for f in facts) if level in (GROUP, TOTAL) else (),
        covered=own.exposure.cover if level == PAYER else None,
        cover_room=own.exposure.standing.room if level == PAYER and own.exposure.standing else None,
    )


def _late_of(rows: list[Late], currency: str, rates: Rates) -> Late:
    def total(name: str) -> Money:
        return sum((rates.convert(getattr(row, name), currency) for row in rows), Money.zero(currency))

    def by_age(name: str) -> dict[int, Money]:
        ages = getattr(rows[0], name)
        return {
            age: sum((rates.convert(getattr(row, name)[age], currency) for row in rows), Money.zero(currency))
            for age in ages
        }

    return Late(
        overdue=total("overdue"),
        overdue_disputed=total("overdue_disputed"),
        open=total("open"),
        open_disputed=total("open_disputed"),
        older=by_age("older"),
        older_disputed=by_age("older_disputed"),
        oldest_due=min((row.oldest_due for row in rows if row.oldest_due), default=None),
        oldest_undisputed_due=min(
            (row.oldest_undisputed_due for row in rows if row.oldest_undisputed_due), default=None
        ),
    )


def _of_orderer(
    orderer: CreditAccount | Customer | None,
    facts: dict[int, AccountFacts],
    rules: tuple[RuleTerms, ...],
    request: CheckRequest,
    terms: CheckTerms,
    rates: Rates,
    payer: CreditAccount,
) -> list[Failure]:
    if orderer is None:
        return []
    asked = tuple(rule for rule in rules if rule.on_orderer)
    nothing = Money.zero(payer.currency)
    if isinstance(orderer, CreditAccount):
        case = _case(
            ORDERER,
            orderer,
            [facts[orderer.pk]],
            request,
            Money.zero(orderer.currency),
            orderer.currency,
            rates,
        )
        return failures_of(case, _with_amounts(asked, terms, orderer.currency, rates))
    # A customer without an account here owes nothing here: only what it is can stand in the way.
    case = Case(
        level=ORDERER,
        point=request.point,
        as_of=request.as_of,
        account_id=None,
        customer_id=orderer.pk,
        customer=orderer.name,
        currency=payer.currency,
        amount=nothing,
        new=nothing,
        exposure=nothing,
        reserved=nothing,
        limit=None,
        late=Late(nothing, nothing, nothing, nothing, {}, {}),
        status=orderer.status,
        has_account=False,
    )
    return failures_of(case, tuple((rule, None) for rule in asked if rule.code == CheckRuleCode.STATUS))


def _with_amounts(
    rules: tuple[RuleTerms, ...], terms: CheckTerms, currency: str, rates: Rates
) -> tuple[tuple[RuleTerms, Money | None], ...]:
    return tuple((rule, _amount(rule, terms, currency, rates)) for rule in rules)


def _amount(rule: RuleTerms, terms: CheckTerms, currency: str, rates: Rates) -> Money | None:
    return None if rule.amount is None else rates.convert(Money(rule.amount, terms.currency), currency)


def _headroom_rule(rules: tuple[RuleTerms, ...]) -> RuleTerms:
    """The rule that stops; without one, limits are told but do not stop."""
    own = [rule for rule in rules if rule.code == CheckRuleCode.HEADROOM]
    return min(own, key=lambda rule: not rule.stops, default=RuleTerms(CheckRuleCode.HEADROOM, stops=False))


def _room(case: Case, rules: tuple[RuleTerms, ...], terms: CheckTerms, rates: Rates) -> Money | None:
    rule = _headroom_rule(rules)
    return room(case, rule, _amount(rule, terms, case.currency, rates))


def _result(
    asking: Asking, own: Case, failures: list[Failure], rooms: list[Room], horizon: int, beyond: bool
) -> CheckResult:
    request, account, terms, rates = asking.request, asking.account, asking.terms, asking.rates
    zero = Money.zero(account.currency)
    rule = _headroom_rule(asking.rules)
    left = {
        room.key: rates.convert(room.free, account.currency)
        for room in rooms
        if room.binds and room.free is not None
    }
    unlimited = any(room.binds and room.free is None and room.level != GROUP for room in rooms)
    tightest = min(left, key=lambda key: left[key], default="")
    tolerated = (
        tolerance(own.limit, rule, _amount(rule, terms, account.currency, rates))
        if own.limit is not None and own.limit.minor
        else zero
    )
    return CheckResult(
        account_id=account.pk,
        point=request.point,
        as_of=request.as_of,
        amount=rates.convert(request.amount, account.currency),
        new=rates.convert(asking.new, account.currency),
        limit=own.limit,
        tolerance=tolerated,
        exposure=own.exposure,
        reserved=own.reserved,
        headroom=rooms[0].free,
        fits=None if unlimited or not left else max(left[tightest], zero),
        disputed=own.late.open_disputed if any(r.without_disputed for r in asking.rules) else zero,
        horizon_days=horizon,
        beyond_horizon=beyond,
        failures=tuple(failures),
        policy_id=terms.policy_id,
        rules=tuple(rule.code for rule in asking.rules),
        decide_within_days=terms.decide_within_days,
        release_days=terms.release_days,
        rooms=tuple(rooms),
        bound_by="" if unlimited else tightest,
        product_line=request.product_line,
    )


def on_check_wanted(sender: Any, request: CheckRequest, **_kwargs: Any) -> CheckResult:
    """Receiver of customers.events.credit_check_wanted."""
    return answer(request)
