"""The ordinary customers: everybody who is no named character, drawn one by one from the seed."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from scoring.default_policy import GRADES
from scoring.models import LimitPolicy

from .behaviour import Dirt, Plan, Story, drifting, late_in_months, punctual, slow, stops_paying
from .cast import TERRITORIES
from .days import iso, month_end, month_start, on_business_day
from .identity import make_identity
from .teller import Client, Teller
from .words import COUNTRIES

_COUNTRY_WEIGHTS = (("IT", 34), ("ES", 18), ("FR", 20), ("DE", 16), ("GB", 12))
_TYPES = (
    ("prompt", 330),
    ("ordinary", 350),
    ("slow", 150),
    ("very_slow", 55),
    ("worse", 45),
    ("better", 25),
    ("summer", 20),
    ("stopped", 14),
    ("lost", 6),
    ("insolvent", 5),
)
# As in the limit policy that the product ships.
BUFFER_DAYS: int = LimitPolicy._meta.get_field("buffer_days").get_default()
SUMMER = frozenset({7, 8, 9})


def _pick(rng: Random, weights: tuple[tuple[str, int], ...]) -> str:
    point = rng.randrange(sum(weight for _name, weight in weights))
    for name, weight in weights:
        point -= weight
        if point < 0:
            return name
    return weights[0][0]


def nice(amount: float) -> int:
    """A limit as people set it: two significant digits, at least 500.00."""
    amount = max(int(amount), 50000)
    step = 10 ** (len(str(amount)) - 2)
    return (amount + step - 1) // step * step


def tell_ordinary(teller: Teller, seed: int, index: int, collectors: dict[str, list[str]]) -> None:
    """One ordinary customer, its account (some have one with each of our companies) and its life."""
    rng = Random(f"{seed}:{index}")  # noqa: S311 a story, no secret
    world = teller.world
    country = COUNTRIES[_pick(rng, _COUNTRY_WEIGHTS)]
    kind = _pick(rng, _TYPES)
    sole = rng.random() < 0.11
    identity = make_identity(country, rng, is_sole_trader=sole)
    since = world.as_of - rng.randint(150, 6000) if rng.random() < 0.9 else world.as_of - rng.randint(20, 150)
    failed = max(world.complete - rng.randint(60, 420), since + 90) if kind == "insolvent" else None
    if failed and failed > world.complete - 30:
        kind, failed = "ordinary", None
    terms, end_of_month = rng.choice(
        ((30, False), (30, False), (60, False), (30, True), (60, True), (45, False), (90, False), (14, False))
        if country.code in {"IT", "ES", "FR"}
        else ((30, False), (30, False), (14, False), (30, True), (60, False), (45, False))
    )
    parent = rng.randint(max(1, index - 60), index - 1) if index > 90 and rng.random() < 0.04 else None
    client = teller.customer(
        identity,
        rng,
        since=since,
        founded=since - rng.randint(200, 9000),
        terms=terms,
        end_of_month=end_of_month,
        parent=parent,
        parent_since=max(since, world.start) if parent else None,
        status="insolvent" if failed else "active",
        status_on=failed,
        status_known=failed + rng.randint(1, 6) if failed else None,
    )
    plan = _plan(rng, kind, index, country.code, terms, end_of_month, world.complete, since, failed, sole)
    currency = "GBP" if country.code == "GB" and rng.random() < 0.8 else "EUR"
    if rng.random() < 0.015:
        currency = "USD"
    if currency == "EUR" and rng.random() < 0.05:
        plan = replace(plan, foreign=rng.choice(("USD", "GBP")), foreign_share=0.35)
    team = collectors[country.code]
    story = teller.account(client, plan, currency=currency, collector=team[index % len(team)])
    live(teller, client, story, failed)
    if rng.random() < 0.05 and not sole:
        other = TERRITORIES["FR" if country.code in {"IT", "ES"} else "IT"]
        team = collectors[other.country]
        second = teller.account(
            client,
            replace(plan, per_month=plan.per_month * 0.5, foreign=""),
            territory=other,
            collector=team[index % len(team)],
        )
        live(teller, client, second, failed)
    _evidence(teller, client, story, kind, failed)


def _plan(
    rng: Random,
    kind: str,
    index: int,
    country: str,
    terms: int,
    end_of_month: bool,
    complete: int,
    since: int,
    failed: int | None,
    sole: bool,
) -> Plan:
    turn = complete - rng.randint(90, 300)
    base = rng.uniform(-3, 2) if kind == "prompt" else rng.uniform(2, 11)
    normal = slow(base, rng.uniform(2, 5))
    late = {
        "prompt": punctual(base, 2.0),
        "ordinary": normal,
        "slow": slow(rng.uniform(13, 24), 7),
        "very_slow": slow(rng.uniform(30, 55), 12),
        "worse": drifting(3, rng.uniform(35, 70), turn, complete),
        "better": drifting(rng.uniform(30, 60), 2, turn - 120, turn + 60),
        "summer": late_in_months(SUMMER, slow(40, 9), normal),
        "stopped": stops_paying(normal, complete - rng.randint(40, 150)),
        "lost": stops_paying(slow(25, 10), complete - rng.randint(300, 520)),
        "insolvent": stops_paying(slow(20, 9), (failed or complete) - rng.randint(20, 90)),
    }[kind]
    instrument = "transfer"
    bounce = 0.0
    if country == "IT" and rng.random() < 0.4:
        instrument, bounce = "riba", 0.01 if kind == "prompt" else 0.03
        late = late if kind not in {"prompt", "ordinary"} else punctual(0, 0.4)
    elif country in {"DE", "FR", "ES"} and rng.random() < 0.2:
        instrument, bounce = "direct_debit", 0.01 if kind == "prompt" else 0.03
        late = late if kind not in {"prompt", "ordinary"} else punctual(1, 0.6)
    scale = 1.0 if index <= 600 else 0.62
    promise = 0.03 if kind in {"prompt", "ordinary"} else 0.25
    return Plan(
        per_month=min(rng.lognormvariate(0.07, 0.85), 9.0) * (0.5 if sole else 1.0) * scale,
        amount=int(240000 * rng.lognormvariate(0, 0.95) * (0.35 if sole else 1.0)),
        late=late,
        terms=terms,
        end_of_month=end_of_month,
        months=min(24, max((complete - since) // 30, 1)),
        stop_months_ago={"lost": 10, "insolvent": 3}.get(kind, 0),
        growth=rng.uniform(-0.1, 0.2),
        instalments=rng.choice((1, 1, 1, 1, 1, 2, 3)),
        instrument=instrument,
        weekly_run=rng.random() < 0.35,
        dirt=Dirt(bounce=bounce, promise=promise),
        write_off_after=240 if kind == "lost" else 0,
        # What the bank collects is paid on its day, however the invoice came.
        by_post=2 if instrument == "transfer" else 0,
    )


def live(teller: Teller, client: Client, story: Story, failed: int | None = None) -> None:
    """Let the account's story happen, take its promises, set its limits."""
    story.tell()
    story.promises()
    story.ledger.close()
    limits(teller, client, story, failed)


def limits(teller: Teller, client: Client, story: Story, failed: int | None = None) -> None:
    """A limit about what the policy would give, with its history; some are out of date either way."""
    rng, world = client.rng, teller.world
    draw = rng.random()
    factor = rng.uniform(0.97, 1.05)
    if draw < 0.05:
        factor = rng.uniform(1.3, 1.8)
    elif draw < 0.09:
        factor = rng.uniform(0.55, 0.8)
    wanted = max(int(needed_limit(story) * factor) // 50000 * 50000, 50000)
    opened = on_business_day(max(world.start, client.since), story.ledger.country)
    current: int | None = None
    if rng.random() < 0.3 and world.complete - opened > 240:
        current = nice(wanted * rng.choice((0.6, 0.75, 1.3)))
        teller.limit(story, current, opened)
        on = on_business_day(opened + rng.randint(100, world.complete - opened - 60), story.ledger.country)
        teller.limit(
            story,
            wanted,
            on,
            before=current,
            reason="growing_business" if wanted > current else "less_business",
            proposer="carla",
            decider="paolo",
            comment="Yearly review",
        )
    else:
        teller.limit(story, wanted, opened)
    if failed:
        on = on_business_day(max(failed + 7, opened), story.ledger.country)
        teller.limit(
            story, 0, on, before=wanted, reason="insolvency", params={"on": iso(failed), "source": "register"}
        )


def needed_limit(story: Story) -> int:
    """The credit that the strongest quarter of the last year needs, more generously for who pays on time."""
    ledger = story.ledger
    quarters = [0, 0, 0, 0]
    for doc in story.docs:
        age = ledger.world.as_of - doc.issued
        if doc.kind != "invoice" or doc.superseded_known or age >= 364:
            continue
        for part in doc.parts:
            quarters[age // 91] += part.account_amount
    if not any(quarters):
        return nice(story.plan.amount * 2)
    late = [
        day - part.due
        for doc in story.docs
        for part in doc.parts
        if (day := story.payday.get(part.id)) is not None
    ]
    mean = sum(late) / len(late) if late else 0
    grade = "A" if mean <= 5 else "B" if mean <= 22 else "C"
    _ceiling, share, _months = GRADES[grade]
    return max(quarters) * (story.plan.terms + BUFFER_DAYS) * share // 9100


MOST_FEEDS = 60


def _evidence(teller: Teller, client: Client, story: Story, kind: str, failed: int | None) -> None:
    rng, world, book_amount = client.rng, teller.world, story.plan.amount
    if failed:
        teller.legal(client, "insolvency", failed, known=failed + rng.randint(1, 6))
    elif kind in {"stopped", "worse"} and rng.random() < 0.3:
        on = world.complete - rng.randint(20, 300)
        teller.legal(client, rng.choice(("lien", "litigation", "protest")), on, known=on + 5)
    elif rng.random() < 0.04:
        on = world.complete - rng.randint(30, 700)
        teller.legal(client, rng.choice(("director_change", "address_change")), on, known=on + 12)
    if not client.identity.is_sole_trader and rng.random() < 0.12:
        health = {"prompt": 0.8, "ordinary": 0.6, "better": 0.6}.get(kind, 0.3)
        for back in (1, 2):
            year_end = month_end(month_start(world.as_of, 12 * back - 1))
            teller.statement(
                client,
                year_end,
                year_end + 150,
                assets=book_amount * rng.randint(150, 400),
                health=min(max(health + rng.uniform(-0.2, 0.2), 0), 1),
                currency=story.ledger.currency,
            )
    if failed or kind == "lost":
        return
    if rng.random() < 0.16:
        on = on_business_day(world.complete - rng.randint(1, 25), story.ledger.country)
        if on <= world.complete:
            teller.order(story, int(book_amount * rng.uniform(0.6, 2.5)), on, on + rng.randint(10, 70))
    if rng.random() < 0.09:
        on = on_business_day(world.complete - rng.randint(1, 6), story.ledger.country)
        if on <= world.complete:
            teller.delivery(story, int(book_amount * rng.uniform(0.4, 1.2)), on)
    if rng.random() < 0.07:
        teller.cover(
            story,
            nice(book_amount * 6),
            max(world.start, client.since),
            provider="Concordia Credit Insurance",
            expires=world.as_of + rng.randint(30, 300),
            policy="CC-4471",
            extension=60,
            notify=60,
        )
    # Enough for every page to be full, whatever the size of the book.
    if teller.feeds < MOST_FEEDS and rng.random() < 0.07:
        teller.feeds += 1
        teller.bank(
            client,
            currency=story.ledger.currency,
            balance=book_amount * rng.randint(2, 12),
            monthly=book_amount * 30,
            weeks=rng.choice((20, 35, 60, 60)),
            falling_for_weeks=rng.choice((5, 14)) if kind in {"stopped", "worse"} else 0,
            standing=rng.choices(("in force", "expired", "revoked"), (10, 1, 1))[0],
        )
    if rng.random() < 0.05:
        start, step = rng.randint(28, 55), {"stopped": 9, "worse": 6}.get(kind, 0)
        teller.supplier_days(client, *(max(start - n * step + rng.randint(-3, 3), 5) for n in range(4)))
