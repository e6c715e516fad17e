"""What a decision asked for in guarantees, against what is on file."""

from __future__ import annotations

from datetime import date
from typing import Any

from creditdesk.core.money import Money
from customers.exposure import exposures
from customers.limit_evidence import money_of
from customers.rates import MissingRate, RateTable
from scoring.limit_facts import most_secured
from scoring.models import Decision


def still_missing(decision: Decision, on: date) -> Money:
    """What of the guarantees a decision asks for is not on file on a day; zero when nothing is asked.

    On file counts after the share covered and the haircut; in a currency without a rate it does not count.
    """
    asked: Any = decision.guarantees.get("amount")
    zero = Money.zero(decision.currency)
    if not asked:
        return zero
    held = most_secured(exposures([decision.account], on)[decision.account_id])
    try:
        held = RateTable.at(on).convert(held, decision.currency)
    except MissingRate:
        held = zero
    return max(money_of(asked) - held, zero)
