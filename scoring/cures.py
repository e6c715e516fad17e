"""What would answer the open questions of a completeness grid, and on which page."""

from __future__ import annotations

from dataclasses import dataclass

from django.urls import reverse
from django.utils.translation import gettext as _

from creditdesk.core.models import User
from customers.models import CreditAccount
from scoring.completeness import Answer, Completeness


@dataclass(frozen=True, slots=True)
class Cured:
    """One question of the grid with the page that cures a missing or stale input ("" where none does)."""

    answer: Answer
    cure: str
    url: str


def cured(grid: Completeness, account: CreditAccount, user: User) -> list[Cured]:
    """Each question of the grid with its cure; the link is there for who may open the page."""
    about = f"?customer={account.customer_id}"
    customer = reverse("admin:customers_customer_change", args=[account.customer_id])
    pages = {
        "customer": (customer, "customers.change_customer"),
        "evidence": (reverse("admin:customers_importbatch_evidence"), "customers.add_importbatch"),
        "ledger": (reverse("admin:customers_importbatch_add"), "customers.add_importbatch"),
        "consent": (reverse("admin:customers_bankconsent_add") + about, "customers.add_bankconsent"),
        "accounts": (
            reverse("admin:customers_financialstatement_add") + about,
            "customers.add_financialstatement",
        ),
        "agencies": (reverse("bureau:get", args=[account.pk]), "customers.add_bureaupull"),
    }
    stale = {
        "payments": (_("Import the ledger"), "ledger"),
        "bank": (_("Import its bank lines"), "evidence"),
        "accounts": (_("Record newer annual accounts"), "accounts"),
        "agencies": (_("Ask a credit agency again"), "agencies"),
    }
    missing = {
        "payments": (_("Comes with the ledger: import older invoices, or let time pass"), "ledger"),
        "bank": (_("Record its consent, then import its bank lines"), "consent"),
        "accounts": (_("Record or import its annual accounts"), "accounts"),
        "registers": (_("Enter its VAT, registration or LEI number"), "customer"),
        "group": (_("Record its group, or that it stands alone"), "customer"),
        "sector": (_("Enter its NACE sector"), "customer"),
    }
    rows = []
    for answer in (*grid.answers, *((grid.agencies,) if grid.agencies else ())):
        known = stale if answer.fresh is False else {} if answer.is_known else missing
        cure, page = known.get(answer.code, ("", ""))
        url, permission = pages[page] if page else ("", "")
        rows.append(Cured(answer, cure, url if user.has_perm(permission) else ""))
    return rows
