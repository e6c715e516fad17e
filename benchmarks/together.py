"""What a verdict on calibration is worth: all tenths at once, on made ledgers whose true chances are known.

Told the true chances, a test at 5 % should refuse one in twenty; told chances whose slope or level is wrong, as many as it
can. Beside it stands the stricter reading that every one of the ten 95 % intervals must hold. Nothing is fitted.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import numpy as np

WRONG: dict[str, Callable[[Any], Any]] = {
    "true chances": lambda odds: odds,
    "slope 0.8 is right": lambda odds: odds.mean() + (odds - odds.mean()) / 0.8,
    "slope 1.25 is right": lambda odds: odds.mean() + (odds - odds.mean()) / 1.25,
    "level 0.3 too high": lambda odds: odds + 0.3,
    "level 0.3 too low": lambda odds: odds - 0.3,
}
DRAWN = {"credited", "disputed", "told_late", "never_paid", "in_parts"}
"""Makers that change what was drawn by the odds."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--verdicts", type=int, default=20, help="times each ledger of known chances is made")
    parser.add_argument("--verdicts-from", type=int, default=13000, help="first seed of them")


def run(options: argparse.Namespace, fresh: Callable[[], None], say: Callable[[str], None]) -> None:
    from benchmarks._made import TRUE_ODDS
    from benchmarks.ledgers import LEDGERS

    found: dict[str, list[tuple[float, ...]]] = {}
    for name, make in LEDGERS.items():
        for number in range(options.verdicts) if name not in DRAWN else ():
            TRUE_ODDS.clear()
            ledger = make(np.random.default_rng(options.verdicts_from + number))
            if not TRUE_ODDS:
                break
            tests = ledger.issued >= int(np.quantile(ledger.issued, 0.65))
            late = (ledger.paid > ledger.due)[tests].astype(float)
            for what, wrong in WRONG.items():
                chance = 1 / (1 + np.exp(-wrong(TRUE_ODDS[0][tests])))
                found.setdefault(what, []).append(verdict(late, chance, ledger.account[tests]))
    for what, rows in found.items():
        refused, inside, all_ten = np.nanmean(np.array(rows), axis=0)
        say(
            f"{what} ({len(rows)} ledgers): refused together {refused:.1%}; tenths inside {inside:.1%}, all ten inside "
            f"{all_ten:.1%}"
        )


def verdict(late: Any, chance: Any, customer: Any) -> tuple[float, ...]:
    """(refused together, share of tenths inside their interval, whether all are); NaN where nothing can be told."""
    from scoring.fitting.clustered import calibration_by_customer, calibration_together

    together = calibration_together(late, chance, customer)
    agrees = [row["agrees"] for row in calibration_by_customer(late, chance, customer)]
    return (
        float("nan") if together is None else float(not together.agrees),
        float(np.mean(agrees)),
        float(all(agrees)),
    )
