"""The named characters: customers whose story can be recognised on every page. docs/demo.md tells it in words.

They are customers C-00001 and following of every demo, whatever its size. Amounts are minor units.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random

from .behaviour import CLEAN, Dirt, Plan, Story, drifting, late_in_months, punctual, slow, stops_paying
from .days import business_days_after, iso, month_end, month_start, on_business_day, previous_business_day
from .identity import lei, make_identity
from .ordinary import SUMMER
from .papers import Doc
from .teller import Client, Teller
from .words import COUNTRIES


@dataclass(frozen=True)
class Character:
    """`key` names the role in the story; `tell` makes it happen."""

    key: str
    name: str
    country: str
    sector: str
    city: str
    tell: Callable[[Stage], None]
    is_sole_trader: bool = False


@dataclass(slots=True)
class Stage:
    """What a character needs to tell its story."""

    teller: Teller
    character: Character
    rng: Random
    ids: dict[str, int]

    @property
    def today(self) -> int:
        return self.teller.world.as_of

    @property
    def complete(self) -> int:
        return self.teller.world.complete

    def day(self, days_ago: int) -> int:
        """The last business day at least that many days before the ledger's last complete day."""
        return previous_business_day(self.complete - days_ago + 1, "IT")

    def client(self, *, years: float, terms: int, end_of_month: bool = False, **more) -> Client:
        identity = make_identity(
            COUNTRIES[self.character.country],
            self.rng,
            name=self.character.name,
            sector=self.character.sector,
            city=self.character.city,
            is_sole_trader=self.character.is_sole_trader,
        )
        since = self.today - int(years * 365)
        client = self.teller.customer(
            identity,
            self.rng,
            since=since,
            founded=since - 2200,
            terms=terms,
            end_of_month=end_of_month,
            **more,
        )
        self.ids[self.character.key] = client.id
        return client

    def statements(self, client: Client, assets: int, *healths: float, currency: str = "EUR") -> None:
        """Annual accounts, the newest first."""
        year_end = month_end(month_start(self.today, 11))
        for back, health in enumerate(healths):
            end = month_end(month_start(year_end, 12 * back))
            self.teller.statement(client, end, end + 140, assets=assets, health=health, currency=currency)


def _finish(stage: Stage, story: Story, *limits: tuple[int, int]) -> None:
    """Close the books and set the limits: (days ago, amount), the oldest first."""
    story.ledger.close()
    before: int | None = None
    for days_ago, amount in limits:
        on = on_business_day(max(stage.complete - days_ago, stage.teller.world.start), story.ledger.country)
        proposer, decider = ("", "") if before is None else ("carla", "paolo")
        reason = "opening_limit"
        if before is not None:
            reason = "growing_business" if amount > before else "payment_behaviour"
        comment = "" if before is None else "Yearly review"
        stage.teller.limit(
            story,
            amount,
            on,
            before=before,
            reason=reason,
            comment=comment,
            proposer=proposer,
            decider=decider,
        )
        before = amount


# Everything below is one character each.


def slow_giant(stage: Stage) -> None:
    client = stage.client(
        years=16, terms=60, end_of_month=True, lei=lei(stage.rng), preference="Mon-Thu, 9-12"
    )
    plan = Plan(11, 3_200_000, slow(25, 1.5), terms=60, end_of_month=True, dirt=CLEAN, spread=0.3)
    story = stage.teller.account(client, plan)
    story.tell()
    order = stage.teller.order(story, 9_000_000, stage.day(6), stage.today + 30)
    stage.teller.delivery(story, 3_500_000, stage.day(2), order=order)
    stage.teller.cover(
        story,
        60_000_000,
        stage.teller.world.start,
        provider="Concordia Credit Insurance",
        expires=stage.today + 200,
        policy="CC-4471",
        extension=90,
        notify=60,
    )
    stage.statements(client, 9_000_000_000, 0.75, 0.7)
    _finish(stage, story, (720, 120_000_000), (350, 160_000_000))


def sudden_collapse(stage: Stage) -> None:
    client = stage.client(years=9, terms=30)
    plan = Plan(
        5, 780_000, stops_paying(punctual(-3, 1.5), stage.complete - 75), dirt=CLEAN, stop_months_ago=1
    )
    story = stage.teller.account(client, plan)
    story.tell()
    _promise_on_oldest(story, given=stage.day(45), due=stage.day(33), share=50)
    stage.teller.bank(
        client, currency="EUR", balance=18_000_000, monthly=22_000_000, weeks=70, falling_for_weeks=13
    )
    stage.teller.legal(
        client, "director_change", stage.day(150), known=stage.day(141), source="Registro Imprese"
    )
    stage.teller.legal(client, "lien", stage.day(128), known=stage.day(120), source="Registro Imprese")
    stage.teller.legal(client, "protest", stage.day(40), known=stage.day(36), source="Registro protesti")
    stage.statements(client, 310_000_000, 0.25, 0.65)
    _finish(stage, story, (720, 9_000_000), (300, 13_000_000))


def seasonal(stage: Stage) -> None:
    client = stage.client(years=11, terms=30)
    season = (0.5, 0.5, 0.7, 1, 1.4, 1.7, 1.7, 1.5, 1, 0.7, 0.5, 0.5)
    late = late_in_months(SUMMER, slow(48, 6), punctual(0, 2))
    story = stage.teller.account(client, Plan(5, 620_000, late, season=season, dirt=Dirt(promise=0.1)))
    story.tell()
    story.promises()
    _finish(stage, story, (720, 10_000_000))


def disputer(stage: Stage) -> None:
    client = stage.client(years=6, terms=45)
    dirt = Dirt(dispute=0.34, rebill=0.08, short=0.05, part=0.02, promise=0.05)
    story = stage.teller.account(client, Plan(6, 430_000, slow(6, 4), terms=45, dirt=dirt))
    story.tell()
    fresh = [doc for doc in _open(story) if stage.complete - 40 <= doc.issued <= stage.complete - 9][:3]
    for doc, (reason, percent) in zip(
        fresh, (("price", 30), ("quality", 15), ("quantity", 22)), strict=False
    ):
        story.ledger.dispute(
            doc,
            [(doc.parts[0], max(doc.parts[0].open * percent // 100, 1))],
            min(doc.issued + 8, stage.complete),
            reason=reason,
            by=story.collector,
            answer_by=stage.today + 6,
        )
    stage.teller.block(story, stage.day(5), stage.today + 9, "dispute_in_progress")
    _finish(stage, story, (720, 9_000_000))


def promise_breaker(stage: Stage) -> None:
    client = stage.client(years=4, terms=30, preference="afternoons")
    plan = Plan(4, 410_000, drifting(8, 62, stage.complete - 420, stage.complete - 60), dirt=CLEAN)
    story = stage.teller.account(client, plan)
    story.tell()
    late = [doc for doc in story.docs if doc.parts[0].due < stage.complete - 25]
    contact = client.identity.contact_name
    for doc in late[-26::5]:
        part = doc.parts[0]
        given = on_business_day(part.due + 14, "IT")
        if part.open_at(given) == part.amount:
            story.ledger.promise(
                [(part, part.amount)],
                given,
                on_business_day(given + 7, "IT"),
                by=story.collector,
                given_by=contact,
            )
    # The newest: broken on the last complete day.
    due = stage.complete
    while business_days_after(due, 2, "IT") > stage.complete:
        due = previous_business_day(due, "IT")
    _promise_on_oldest(
        story, given=previous_business_day(due - 6, "IT"), due=due, share=100, by=contact, docs=2
    )
    _finish(stage, story, (720, 4_000_000))


def group_head(stage: Stage) -> None:
    client = stage.client(years=14, terms=60, lei=lei(stage.rng))
    late = drifting(3, 34, stage.complete - 300, stage.complete)
    story = stage.teller.account(client, Plan(2.2, 1_400_000, late, terms=60, dirt=CLEAN))
    story.tell()
    stage.teller.legal(client, "lien", stage.day(70), known=stage.day(62), source="Handelsregister")
    stage.statements(client, 2_600_000_000, 0.15, 0.4, 0.6)
    _finish(stage, story, (720, 22_000_000))


def _subsidiary(worst: int, amount: int, limit: int, *, guaranteed: bool = False) -> Callable[[Stage], None]:
    def tell(stage: Stage) -> None:
        client = stage.client(
            years=8, terms=30, parent=stage.ids["group"], parent_since=stage.teller.world.start
        )
        late = drifting(4, worst, stage.complete - 260, stage.complete)
        currency = "GBP" if client.identity.country == "GB" else "EUR"
        story = stage.teller.account(
            client, Plan(3.4, amount, late, dirt=replace(CLEAN, part=0.15, promise=0.35)), currency=currency
        )
        story.tell()
        story.promises()
        if guaranteed:
            stage.teller.cover(
                story,
                6_000_000,
                stage.day(400),
                kind="parent",
                provider="Nordwerk Holding GmbH",
                percent=100,
                guarantor=stage.ids["group"],
            )
        _finish(stage, story, (700, limit))

    return tell


def prompt_payer(stage: Stage) -> None:
    client = stage.client(years=12, terms=30)
    story = stage.teller.account(client, Plan(6, 350_000, punctual(-2, 1), dirt=CLEAN, growth=0.25))
    story.tell()
    stage.statements(client, 420_000_000, 0.85, 0.8)
    _finish(stage, story, (720, 3_500_000))


def newcomer(stage: Stage) -> None:
    client = stage.client(years=0.03, terms=30, status="prospect")
    story = stage.teller.account(client, Plan(0, 1, punctual(), dirt=CLEAN))
    stage.teller.order(story, 1_450_000, stage.day(2), stage.today + 14)
    story.ledger.close()


def sole_trader(stage: Stage) -> None:
    client = stage.client(years=5, terms=30, preference="after 18:00")
    late = stops_paying(drifting(4, 55, stage.complete - 330, stage.complete), stage.complete - 25)
    story = stage.teller.account(client, Plan(2.6, 130_000, late, dirt=replace(CLEAN, part=0.3)))
    story.tell()
    _promise_on_oldest(
        story, given=stage.day(38), due=stage.day(31), share=100, by=client.identity.contact_name
    )
    stage.teller.legal(client, "protest", stage.day(26), known=stage.day(24), source="Registro protesti")
    _finish(stage, story, (720, 1_200_000))


def prepayer(stage: Stage) -> None:
    client = stage.client(years=3, terms=14)
    story = stage.teller.account(
        client, Plan(2, 260_000, punctual(-6, 2), terms=14, dirt=CLEAN), currency="GBP"
    )
    story.tell()
    for days_ago, amount in ((96, 420_000), (33, 650_000), (4, 1_800_000)):
        story.ledger.receive(stage.day(days_ago), amount)
    _finish(stage, story, (720, 1_500_000))


def in_yen(stage: Stage) -> None:
    client = stage.client(years=7, terms=60)
    late = slow(9, 3)
    story = stage.teller.account(client, Plan(2, 1_900_000, late, terms=60, dirt=CLEAN), currency="JPY")
    story.tell()
    _finish(stage, story, (720, 14_000_000))


def in_dollars(stage: Stage) -> None:
    client = stage.client(years=6, terms=45)
    story = stage.teller.account(client, Plan(3, 880_000, slow(12, 5), terms=45), currency="USD")
    story.tell()
    story.promises()
    _finish(stage, story, (720, 7_000_000))


def returned_riba(stage: Stage) -> None:
    client = stage.client(years=10, terms=60, end_of_month=True)
    dirt = replace(CLEAN, bounce=0.12, promise=0.3)
    plan = Plan(4, 520_000, punctual(0, 0.3), terms=60, end_of_month=True, instrument="riba", dirt=dirt)
    story = stage.teller.account(client, plan)
    story.tell()
    last = [doc for doc in _open(story) if doc.parts[0].due > stage.complete][:2]
    for doc in last[:1]:
        # Tendered before it falls due, and come back a few days ago.
        cash = story.ledger.receive(
            stage.day(9), doc.parts[0].open, instrument="riba", matures=stage.day(9), safe=stage.day(9) + 10
        )
        story.ledger.allocate(cash, doc.parts[0], cash.amount)
        story.ledger.give_back(cash, stage.day(3))
    story.promises()
    _finish(stage, story, (720, 8_000_000))


def wrong_company(stage: Stage) -> None:
    client = stage.client(years=8, terms=30)
    story = stage.teller.account(
        client, Plan(3, 300_000, punctual(1, 2), dirt=replace(CLEAN, wrong_account=0.18))
    )
    story.tell()
    # The newest payment still lies on the namesake's account.
    unpaid = [doc for doc in _open(story) if doc.parts[0].due <= stage.complete + 20]
    if unpaid and story.neighbour is not None:
        doc = unpaid[-1]
        story.ledger.receive(stage.day(3), doc.parts[0].open, account=story.neighbour)
    _finish(stage, story, (720, 3_000_000))


def namesake(stage: Stage) -> None:
    client = stage.client(years=9, terms=30)
    story = stage.teller.account(client, Plan(2.4, 280_000, punctual(0, 2), dirt=CLEAN))
    story.tell()
    _finish(stage, story, (720, 3_000_000))


def rounder(stage: Stage) -> None:
    client = stage.client(years=7, terms=30)
    dirt = replace(CLEAN, short=0.9)
    story = stage.teller.account(client, Plan(4, 240_000, punctual(2, 2), dirt=dirt))
    story.tell()
    _finish(stage, story, (720, 2_800_000))


def fast_grower(stage: Stage) -> None:
    client = stage.client(years=1.6, terms=30)
    plan = Plan(3, 260_000, punctual(-1, 1.5), months=18, growth=0.8, dirt=CLEAN)
    story = stage.teller.account(client, plan, currency="GBP")
    story.tell()
    stage.teller.order(story, 2_400_000, stage.day(4), stage.today + 25)
    stage.statements(client, 160_000_000, 0.75, currency="GBP")
    _finish(stage, story, (540, 2_000_000), (200, 4_000_000))


def recovered(stage: Stage) -> None:
    client = stage.client(years=10, terms=30)
    late = drifting(58, 0, stage.complete - 380, stage.complete - 230, 3)
    story = stage.teller.account(client, Plan(4, 310_000, late, dirt=replace(CLEAN, promise=0.3)))
    story.tell()
    story.promises()
    _finish(stage, story, (720, 3_000_000), (330, 1_500_000))


def lost_one(stage: Stage) -> None:
    failed = stage.day(390)
    client = stage.client(years=13, terms=60, status="insolvent", status_on=failed, status_known=failed + 4)
    plan = Plan(
        3,
        540_000,
        stops_paying(slow(30, 8), failed - 60),
        terms=60,
        stop_months_ago=14,
        write_off_after=150,
        dirt=CLEAN,
    )
    story = stage.teller.account(client, plan)
    story.tell()
    stage.teller.legal(client, "insolvency", failed, known=failed + 4, source="Tribunale di Vicenza")
    story.ledger.close()
    opened = on_business_day(stage.teller.world.start, "IT")
    stage.teller.limit(story, 7_000_000, opened)
    stage.teller.limit(
        story,
        0,
        business_days_after(failed + 4, 1, "IT"),
        before=7_000_000,
        reason="insolvency",
        params={"on": iso(failed), "source": "Tribunale di Vicenza"},
    )


def late_booker(stage: Stage) -> None:
    client = stage.client(years=6, terms=30)
    dirt = replace(CLEAN, booked_late=0.45)
    story = stage.teller.account(client, Plan(4, 290_000, punctual(1, 2), dirt=dirt))
    story.tell()
    _finish(stage, story, (720, 3_000_000))


def paperwork(stage: Stage) -> None:
    client = stage.client(years=15, terms=45, end_of_month=True)
    dirt = replace(CLEAN, corrected=0.2, rebill=0.12)
    story = stage.teller.account(
        client, Plan(3.5, 260_000, slow(5, 3), terms=45, end_of_month=True, dirt=dirt)
    )
    story.tell()
    _finish(stage, story, (720, 3_500_000))


# Helpers


def _open(story: Story) -> list[Doc]:
    """Current invoices with something open, by due date."""
    rows = [d for d in story.docs if d.kind == "invoice" and not d.superseded_known and d.open]
    return sorted(rows, key=lambda doc: (doc.parts[0].due, doc.id))


def _promise_on_oldest(
    story: Story, *, given: int, due: int, share: int, by: str = "", docs: int = 1
) -> None:
    """A promise over the oldest invoices that were open and due on the day it was given."""
    parts = []
    for doc in _open(story):
        left = doc.parts[0].open_at(given)
        if doc.issued < given and doc.parts[0].due < given and left:
            parts.append((doc.parts[0], max(left * share // 100, 1)))
    if parts:
        story.ledger.promise(parts[:docs], given, due, by=story.collector, given_by=by)


CHARACTERS: tuple[Character, ...] = (
    Character("giant", "Gigante Distribuzione S.p.A.", "IT", "46.38", "Milano", slow_giant),
    Character("collapse", "Meridiana Impianti S.r.l.", "IT", "43.21", "Bologna", sudden_collapse),
    Character("seasonal", "Camping Costa Clara S.L.", "ES", "55.10", "Alicante", seasonal),
    Character("disputer", "Établissements Chicaneau SAS", "FR", "46.74", "Lyon", disputer),
    Character("promises", "Mañana Obras y Reformas S.L.", "ES", "41.20", "Sevilla", promise_breaker),
    Character("group", "Nordwerk Holding GmbH", "DE", "28.99", "Hamburg", group_head),
    Character(
        "group_cast", "Nordwerk Guss GmbH", "DE", "24.51", "Siegen", _subsidiary(75, 520_000, 6_000_000)
    ),
    Character(
        "group_freight",
        "Nordwerk Spedition GmbH",
        "DE",
        "49.41",
        "Bremen",
        _subsidiary(48, 310_000, 4_000_000, guaranteed=True),
    ),
    Character("group_uk", "Nordwerk UK Ltd", "GB", "28.99", "Hull", _subsidiary(60, 240_000, 3_000_000)),
    Character("prompt", "Puntuale & Figli S.r.l.", "IT", "25.62", "Brescia", prompt_payer),
    Character("newcomer", "Studio Nouvelle Vague SAS", "FR", "62.01", "Nantes", newcomer),
    Character("sole_trader", "Restauri Giulia Ferrante", "IT", "41.20", "Lucca", sole_trader, True),
    Character("prepayer", "Ahead & Sons Ltd", "GB", "46.38", "Bristol", prepayer),
    Character("yen", "Tokai Feinoptik GmbH", "DE", "46.46", "Jena", in_yen),
    Character("dollars", "Atlantic Marine Supplies Ltd", "GB", "50.20", "Southampton", in_dollars),
    Character("riba", "Officine Ballarin S.r.l.", "IT", "25.62", "Treviso", returned_riba),
    Character("namesake", "Bianchi Fratelli S.p.A.", "IT", "46.74", "Verona", namesake),
    Character("wrong_company", "Fratelli Bianchi S.r.l.", "IT", "46.74", "Padova", wrong_company),
    Character("rounder", "Klein & Rundung GmbH", "DE", "46.74", "Stuttgart", rounder),
    Character("grower", "Scale-Up Robotics Ltd", "GB", "28.99", "Manchester", fast_grower),
    Character("recovered", "Menuiserie du Phénix SARL", "FR", "31.01", "Angers", recovered),
    Character("lost", "Vecchia Filanda S.r.l.", "IT", "13.20", "Vicenza", lost_one),
    Character("late_booker", "Hartmann Elektrotechnik GmbH", "DE", "43.21", "Kassel", late_booker),
    Character("paperwork", "Duplicata & Avoir SARL", "FR", "18.12", "Dijon", paperwork),
)


def character_code(key: str) -> str:
    """The customer number of a character, the same in every demo."""
    return f"C-{[character.key for character in CHARACTERS].index(key) + 1:05d}"


def tell_characters(teller: Teller, seed: int) -> dict[str, int]:
    """Write every character; returns {key: customer id}."""
    ids: dict[str, int] = {}
    for character in CHARACTERS:
        rng = Random(f"{seed}:{character.key}")  # noqa: S311 a story, no secret
        character.tell(Stage(teller, character, rng, ids))
    return ids
