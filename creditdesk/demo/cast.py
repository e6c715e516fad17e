"""Our own side of the story: two companies, their portfolios, sources and people, and who may see what."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group

from creditdesk.core import roles
from creditdesk.core.models import User
from customers.models import Access, ApprovalAuthority

from .book import ALONE_UP_TO, Book

PASSWORD = "demo"  # noqa: S105 the demo's logins are meant to be known


@dataclass(frozen=True)
class OurCompany:
    id: int
    code: str
    name: str
    country: str
    time_zone: str


@dataclass(frozen=True)
class Territory:
    """A portfolio: the customers of one country, and who collects from them."""

    id: int
    company: OurCompany
    code: str
    name: str
    country: str
    collector: str


ITALY_CO = OurCompany(1, "aurelia-it", "Aurelia Forniture S.p.A.", "IT", "Europe/Rome")
FRANCE_CO = OurCompany(2, "aurelia-fr", "Aurelia Fournitures SAS", "FR", "Europe/Paris")
COMPANIES = (ITALY_CO, FRANCE_CO)
TERRITORIES = {
    "IT": Territory(1, ITALY_CO, "italia", "Italia", "IT", "marta"),
    "ES": Territory(2, ITALY_CO, "iberia", "Iberia", "ES", "ines"),
    "FR": Territory(3, FRANCE_CO, "france", "France", "FR", "lucas"),
    "DE": Territory(4, FRANCE_CO, "deutschland", "Deutschland", "DE", "greta"),
    "GB": Territory(5, FRANCE_CO, "britain", "Britain", "GB", "owen"),
}

# login, first name, last name, language, role, company (None: both), territory (None: the whole company)
PEOPLE: tuple[tuple[str, str, str, str, str, OurCompany | None, str | None], ...] = (
    ("carla", "Carla", "Benassi", "en", roles.CONTROLLER, None, None),
    ("paolo", "Paolo", "Ferretti", "en", roles.APPROVER, None, None),
    ("petra", "Petra", "Lang", "en", roles.APPROVER, None, None),
    ("marta", "Marta", "Colombo", "en", roles.COLLECTOR, ITALY_CO, "IT"),
    ("ines", "Inés", "Navarro", "es", roles.COLLECTOR, ITALY_CO, "ES"),
    ("lucas", "Lucas", "Moreau", "fr", roles.COLLECTOR, FRANCE_CO, "FR"),
    ("greta", "Greta", "Lindner", "en", roles.COLLECTOR, FRANCE_CO, "DE"),
    ("owen", "Owen", "Hughes", "en", roles.COLLECTOR, FRANCE_CO, "GB"),
    ("bruno", "Bruno", "Salvi", "en", roles.MANAGER, None, None),
    ("ada", "Ada", "Keller", "en", roles.AUDITOR, None, None),
)
# One login per role for the summary.
SHOWN_LOGINS = (
    (roles.CONTROLLER, "carla"),
    (roles.APPROVER, "paolo"),
    (roles.COLLECTOR, "marta"),
    (roles.MANAGER, "bruno"),
    (roles.AUDITOR, "ada"),
)
CUSTOMERS_PER_COLLECTOR = 2000


def collectors_of(country: str, customers: int) -> list[str]:
    """The logins that collect in a territory: one in the story, more when the book is large."""
    first = TERRITORIES[country].collector
    teams = max(1, round(customers / CUSTOMERS_PER_COLLECTOR / len(TERRITORIES)))
    return [first, *(f"{first}{n:02d}" for n in range(2, teams + 1))]


def logins(customers: int) -> list[str]:
    """Every login the story creates."""
    extra = [login for code in TERRITORIES for login in collectors_of(code, customers)[1:]]
    return [person[0] for person in PEOPLE] + extra


def write_companies(book: Book) -> None:
    for company in COMPANIES:
        book["Company"].add(company.code, company.name, company.country, "EUR", company.time_zone)
        trade = "Trade" if company is FRANCE_CO else "Commercio"
        book["CreditSegment"].add(company.id, "trade", trade)
        book["Source"].add(company.id, "erp", "ERP", True)
    for territory in TERRITORIES.values():
        book["Portfolio"].add(territory.company.id, territory.code, territory.name)


def create_people(customers: int) -> dict[str, int]:
    """The users with their roles; returns {"@login": id}. They can enter nothing until `give_access`."""
    password = make_password(PASSWORD)
    people = [(login, first, last, lang, role) for login, first, last, lang, role, _c, _t in PEOPLE]
    for code in TERRITORIES:
        for login in collectors_of(code, customers)[1:]:
            people.append((login, login.capitalize(), "Collector", "en", roles.COLLECTOR))
    users = User.objects.bulk_create(
        User(
            username=login,
            first_name=first,
            last_name=last,
            language=language,
            email=f"{login}@aurelia.example.com",
            password=password,
            is_staff=True,
        )
        for login, first, last, language, _role in people
    )
    groups = {name: Group.objects.get_or_create(name=name)[0] for name in roles.ALL}
    membership = User.groups.through
    membership.objects.bulk_create(
        membership(user_id=user.pk, group_id=groups[person[4]].pk)
        for user, person in zip(users, people, strict=True)
    )
    return {f"@{user.username}": user.pk for user in users}


def give_access(users: dict[str, int], customers: int) -> None:
    """Who sees which companies and portfolios."""
    rows = []
    for login, _f, _l, _lang, _role, company, territory in PEOPLE:
        portfolio = TERRITORIES[territory].id if territory else None
        for ours in (company,) if company else COMPANIES:
            rows.append(Access(user_id=users["@" + login], company_id=ours.id, portfolio_id=portfolio))
    for code, territory_of in TERRITORIES.items():
        for login in collectors_of(code, customers)[1:]:
            rows.append(
                Access(
                    user_id=users["@" + login],
                    company_id=territory_of.company.id,
                    portfolio_id=territory_of.id,
                )
            )
    Access.objects.bulk_create(rows)


def give_authority() -> None:
    """How far approvers may decide: rises of large limits take two of them. Needs the companies."""
    approver = Group.objects.get(name=roles.APPROVER)
    for company in COMPANIES:
        for direction, up_to, worst, needed in (
            ("rise", ALONE_UP_TO, "C", 1),
            ("rise", None, "D", 2),
            ("cut", None, "E", 1),
        ):
            ApprovalAuthority.objects.get_or_create(
                group=approver,
                company_id=company.id,
                direction=direction,
                approvers_needed=needed,
                defaults={"currency": "EUR", "max_amount": up_to, "worst_grade": worst},
            )
