"""The legal basis for holding back accepted orders: which provision applies to an account.

The seller's law governs a sale unless the parties chose another (Rome I regulation, art. 4(1)(a)); between two
countries of the UN sales convention it is the convention (CISG, art. 1(1)(a)). What ships is in SHIPPED; rows are data
and may be changed or added to in the admin.
"""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _

from customers.models import CreditAccount, LegalBasis

# Country of the seller: (provision, what it allows, party to the UN sales convention).
SHIPPED: dict[str, tuple[str, str, bool]] = {
    "": (
        "art. 71 CISG",
        _(
            "A party may suspend performance when it becomes apparent that the other will not perform a substantial part "
            "because of a serious deficiency in its creditworthiness; it gives notice at once, and goes on when adequate "
            "assurance is given."
        ),
        True,
    ),
    "AT": (
        "§ 1052 ABGB",
        _(
            "Who has to perform first may refuse until payment is made or secured, when the other's means were so bad that the "
            "payment is in danger and this was not known at the time of the contract."
        ),
        True,
    ),
    "CH": (
        "art. 83 CO (OR)",
        _(
            "Where the other party has become insolvent and the claim is thereby in danger, performance may be withheld until "
            "security is given."
        ),
        True,
    ),
    "DE": (
        "§ 321 BGB",
        _(
            "Who has to perform first may refuse when it appears after the contract that the payment is in danger because the "
            "other party lacks the means; the right ends when payment is made or secured."
        ),
        True,
    ),
    "ES": (
        "arts. 1124 and 1467 Código Civil",
        _(
            "The seller need not deliver, although a time for payment was agreed, when it turns out after the sale that the "
            "buyer is insolvent and the price is in imminent danger, unless the buyer gives security."
        ),
        True,
    ),
    "FR": (
        "art. 1220 Code civil",
        _(
            "A party may suspend its performance as soon as it is manifest that the other will not perform when due and the "
            "consequences are serious enough; the suspension is notified as soon as possible."
        ),
        True,
    ),
    "GB": (
        "s. 41 Sale of Goods Act 1979",
        _(
            "The unpaid seller in possession of the goods may keep them until payment when the buyer becomes insolvent or the "
            "term of credit has expired."
        ),
        False,
    ),
    "IT": (
        "art. 1461 c.c.",
        _(
            "Each party may suspend its performance when the other's financial condition has become such that the counter-"
            "performance is in evident danger, unless suitable security is given."
        ),
        True,
    ),
    "NL": (
        "art. 6:263 BW",
        _(
            "Who has to perform first may suspend when circumstances that came to be known after the contract give good ground "
            "to fear that the other will not perform."
        ),
        True,
    ),
    "PT": (
        "art. 429 Código Civil",
        _(
            "Although bound to perform first, a party may refuse while the other does not perform or give security, when after "
            "the contract the other became insolvent or its securities fell."
        ),
        True,
    ),
}


def install_bases(using: str = "default") -> None:
    """Add the shipped provisions that are missing; those there stay as somebody may have changed them. Idempotent."""
    LegalBasis.objects.using(using).bulk_create(
        (
            LegalBasis(country=country, provision=provision, rule=rule, in_convention=party)
            for country, (provision, rule, party) in SHIPPED.items()
        ),
        ignore_conflicts=True,
    )


def basis_of(account: CreditAccount) -> LegalBasis | None:
    """The provision for an account with `customer` and `company` loaded; None where none is on record. One query."""
    return bases_of([account])[account.pk]


def bases_of(accounts: Sequence[CreditAccount]) -> dict[int, LegalBasis | None]:
    """The same for many accounts, in one query."""
    rows = {row.country: row for row in LegalBasis.objects.all()}
    return {account.pk: _basis(account, rows) for account in accounts}


def _basis(account: CreditAccount, rows: dict[str, LegalBasis]) -> LegalBasis | None:
    seller, buyer = account.company.country, account.customer.country
    own, theirs = rows.get(seller), rows.get(buyer)
    abroad = bool(buyer) and buyer != seller
    if abroad and own and theirs and own.in_convention and theirs.in_convention and "" in rows:
        return rows[""]
    return own or theirs


def rule_text(basis: LegalBasis) -> str:
    """What the provision allows, in the reader's language."""
    return gettext(basis.rule)
