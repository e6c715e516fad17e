"""How well a ranking and a PD do on observations of accounts, with intervals by customer."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from scoring.fitting.clustered import calibration_by_customer, calibration_together
from scoring.fitting.measures import Floats, Interval, Ranking, bootstrap_many, brier, capture, ks
from scoring.fitting.observations import Observations

DRAWS = 300


def figures_of(
    obs: Observations, risk: Floats, probability: Floats | None = None, *, draws: int = DRAWS
) -> dict[str, Any]:
    """AUC, Gini, KS, share of loss in the top 20 % and, given a probability, Brier and calibration.

    risk: higher is worse; NaN (nothing to rank by) counts as the median. Intervals are 95 %, by customer. The loss is
    ranked by risk times what is open (expected loss, where a probability is given).
    """
    known = risk[~np.isnan(risk)]
    ranked = np.where(np.isnan(risk), np.median(known) if known.size else 0.0, risk)
    ranking = Ranking(obs.bad, ranked)
    by_loss = ranked if probability is None else probability * obs.exposure
    statistics = {
        "auc": ranking.auc,
        "capture": lambda weights: capture(obs.loss, by_loss, 0.2, weights),
    }
    if probability is not None:
        statistics["brier"] = lambda weights: brier(obs.bad, probability, weights)
    spread = bootstrap_many(obs.customer, statistics, draws=draws)
    area = ranking.auc()
    found: dict[str, Any] = {
        "auc": area,
        "auc_interval": _pair(spread["auc"]),
        "gini": None if area is None else 2 * area - 1,
        "gini_interval": [2 * x - 1 for x in pair] if (pair := _pair(spread["auc"])) else None,
        "ks": ks(obs.bad, ranked),
        "loss_in_top_20": capture(obs.loss, by_loss),
        "loss_in_top_20_interval": _pair(spread["capture"]),
    }
    if probability is not None:
        together = calibration_together(obs.bad, probability, obs.customer)
        found |= {
            "brier": brier(obs.bad, probability),
            "brier_interval": _pair(spread["brier"]),
            "mean_pd": float(probability.mean()) if probability.size else None,
            "calibration": calibration_by_customer(obs.bad, probability, obs.customer),
            "calibration_together": together.as_dict() if together else None,
        }
    return found


def gini_gain(
    obs: Observations, risk: NDArray[Any], other: NDArray[Any], *, draws: int = DRAWS
) -> dict[str, Any]:
    """Difference of two Ginis on the same rows, with the interval of the difference (same draws of customers)."""
    first, second = Ranking(obs.bad, risk), Ranking(obs.bad, other)

    def gain(weights: Floats | None = None) -> float | None:
        a, b = first.auc(weights), second.auc(weights)
        return None if a is None or b is None else 2 * (a - b)

    return {
        "gain": gain(),
        "interval": _pair(bootstrap_many(obs.customer, {"gain": gain}, draws=draws)["gain"]),
    }


def counts_of(obs: Observations) -> dict[str, Any]:
    """What the figures stand on."""
    return {
        "observations": obs.rows,
        "customers": obs.customers,
        "events": obs.bad_customers,
        "rate": float(obs.bad.mean()) if obs.rows else None,
        "dates": [day.isoformat() for day in obs.days],
        "causes": {str(cause): count for cause, count in sorted(obs.causes.items())},
    }


def customer_years(obs: Observations) -> int:
    """Years of customers that the observations look ahead to, each day of a customer once."""
    if not obs.rows:
        return 0
    customer, day = np.unique(np.stack([obs.customer, obs.day]), axis=1)
    same = np.diff(customer) == 0
    days = np.where(same, np.minimum(np.diff(day), 365), 365).sum() + 365
    return round(float(days) / 365)


def _pair(interval: Interval | None) -> list[float] | None:
    return None if interval is None else [interval.low, interval.high]
