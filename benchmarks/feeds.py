"""The bank-only card on feeds nobody tuned it to: made-up banks of many shapes (benchmarks/_feed_shapes.py).

Each shape is drawn `--seeds` times, imported from a file, and its signals told by the product as known the day before the
decision. On the same rows and folds, by cross-validation: the card (bins chosen inside each fold), the lowest balance of
the last 90 days alone, logistic regression and gradient boosting on the same signals. AUCs are means over the draws,
intervals of differences draw customers within each draw. `--first-seed` takes other draws: decide on some, report others.
"""

from __future__ import annotations

import argparse
import tempfile
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._feed_shapes import DECIDED, RATES, SHAPES, Shape, write_shape

FOLDS = 5
DRAWS = 1000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seeds", type=int, default=6, help="feeds: draws of each shape")
    parser.add_argument("--first-seed", type=int, default=1000, help="feeds: seed of the first draw")
    parser.add_argument("--shapes", default="", help="feeds: only shapes whose name holds this")
    parser.add_argument(
        "--kept", type=Path, help="feeds: folder that keeps the signals of each draw for another run"
    )
    parser.add_argument("--models", default="card,logistic,boosting", help="feeds: what to fit")


def signals_of(path: Path, customers: list[str]) -> dict[str, np.ndarray]:
    """Import a file of lines for new customers, and tell their signals as known the day before the decision."""
    from creditdesk.core.audit import Actor
    from creditdesk.core.facts import View
    from customers.bank.consents import record_consent
    from customers.bank.feeds import Options, run_bank_import
    from customers.bank.mapping import shipped_bank_mappings
    from customers.models import Company, CreditAccount, CreditSegment, Customer, ExchangeRate, ImportMapping
    from scoring.bank_flows import NAMES, bank_values

    company = Company.objects.create(code="bank", name="Bank", currency="EUR")
    segment = CreditSegment.objects.create(company=company, code="all", name="All")
    for currency, rate in RATES.items():
        if currency != "EUR":
            ExchangeRate.objects.create(base="EUR", quote=currency, rate=str(rate), on=date(2020, 1, 1))
    accounts = {}
    for name in customers:
        customer = Customer.objects.create(code=name, name=name)
        record_consent(
            customer,
            purpose="benchmark",
            effective_on=date(1970, 1, 1),
            expires_on=date(2100, 1, 1),
            actor=Actor.job("benchmark"),
        )
        account = CreditAccount.objects.create(
            customer=customer, segment=segment, company=company, currency="EUR"
        )
        accounts[name] = account.pk
    spec = {**shipped_bank_mappings()["bank-lines"], "known_on": "own", "complete": "line"}
    mapping = ImportMapping(slug="bank-lines", layout="bank", on_change="refuse", spec=spec)
    report = run_bank_import(path, mapping, Options(today=date(2099, 1, 1), commit=True))
    assert not report.counts["refused"], report.problems[:3]
    before = DECIDED - timedelta(days=1)
    found = bank_values(before, view=View(known_at=before))
    return {
        signal: np.array(
            [
                float("nan") if (value := found.get(accounts[c], {}).get(signal)) is None else float(value)
                for c in customers
            ]
        )
        for signal in NAMES
    }


def folds_of(bad: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    place = np.empty(bad.size, dtype=int)
    for outcome in (0, 1):
        some = rng.permutation(np.flatnonzero(bad == outcome))
        place[some] = (np.arange(some.size) + rng.integers(FOLDS)) % FOLDS
    return place


def _card(train: dict[str, np.ndarray], bad: np.ndarray, test: dict[str, np.ndarray]) -> np.ndarray:
    from scoring.fitting.logistic import FitError
    from scoring.fitting.small import fit_small
    from scoring.signals.bank import SIGNALS

    directions = {s.name: s.higher_is for s in SIGNALS if s.carries_points}
    try:
        card = fit_small({n: train[n] for n in directions}, bad, directions)
    except FitError:
        return np.zeros(len(next(iter(test.values()))))
    return card.risk({n: test[n] for n in directions})


def _matrix(values: dict[str, np.ndarray]) -> np.ndarray:
    from scoring.signals.bank import SIGNALS

    return np.column_stack([values[s.name] for s in SIGNALS if s.carries_points])


def _logistic(train: dict[str, np.ndarray], bad: np.ndarray, test: dict[str, np.ndarray]) -> np.ndarray:
    """Ridge on standardised signals with flags of missing ones, its strength chosen inside the training rows."""
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rows, others = _matrix(train), _matrix(test)
    told = np.isfinite(rows).any(axis=0)
    model = make_pipeline(
        SimpleImputer(strategy="median", add_indicator=True),
        StandardScaler(),
        LogisticRegression(max_iter=500),
    )
    grid = {"logisticregression__C": [0.0003, 0.001, 0.003, 0.01, 0.03, 0.1]}
    found = GridSearchCV(model, grid, scoring="neg_log_loss", cv=4).fit(rows[:, told], bad)
    return found.predict_proba(others[:, told])[:, 1]


def _boosting(train: dict[str, np.ndarray], bad: np.ndarray, test: dict[str, np.ndarray]) -> np.ndarray:
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.model_selection import GridSearchCV

    model = HistGradientBoostingClassifier(learning_rate=0.06, min_samples_leaf=15, random_state=0)
    grid = {"max_iter": [25, 60], "max_leaf_nodes": [3, 6]}
    rows, others = _matrix(train), _matrix(test)
    told = np.isfinite(rows).any(axis=0)
    found = GridSearchCV(model, grid, scoring="neg_log_loss", cv=4).fit(rows[:, told], bad)
    return found.predict_proba(others[:, told])[:, 1]


def _lowest(train: dict[str, np.ndarray], bad: np.ndarray, test: dict[str, np.ndarray]) -> np.ndarray:
    """A balance that is not known ranks in the middle of those that are."""
    low, known = test["bank_balance_low"], train["bank_balance_low"]
    middle = np.nanmedian(known) if np.isfinite(known).any() else 0.0
    return -np.where(np.isnan(low), middle, low)


MODELS = {"card": _card, "lowest": _lowest, "logistic": _logistic, "boosting": _boosting}


def ranked(values: dict[str, np.ndarray], bad: np.ndarray, model: str, seed: int) -> np.ndarray:
    """Out-of-fold risk as the rank within each test fold, which holds as many bad outcomes as any other."""
    place = folds_of(bad, np.random.default_rng(seed))
    risk = np.zeros(bad.size)
    for fold in range(FOLDS):
        inside, test = place != fold, place == fold
        told = MODELS[model](
            {n: v[inside] for n, v in values.items()}, bad[inside], {n: v[test] for n, v in values.items()}
        )
        told = np.round(told, 12)
        order = np.sort(told)
        risk[test] = (
            np.searchsorted(order, told, "left") + np.searchsorted(order, told, "right")
        ) / told.size
    return risk


def drawn(shape: Shape, seed: int, fresh: Any, kept: Path | None) -> tuple[dict[str, np.ndarray], Any, Any]:
    """(signals, outcome, true probability) of one draw; kept in a folder between runs where one is given."""
    path = kept / f"{abs(hash_of(shape))}-{seed}.npz" if kept else None
    if path is not None and path.exists():
        with np.load(path) as file:
            values = {name: file[name] for name in file.files}
        return values, values.pop("outcome_"), values.pop("chance_")
    with tempfile.TemporaryDirectory() as folder:
        lines, truth = write_shape(Path(folder), shape, seed)
        fresh()
        values = signals_of(lines, truth["customers"])
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, outcome_=truth["bad"], chance_=truth["chance"], **values)  # type: ignore[arg-type]
    return values, truth["bad"], truth["chance"]


def hash_of(shape: Shape) -> int:
    import hashlib

    return int(hashlib.sha256(repr(shape).encode()).hexdigest()[:12], 16)


def judge(
    draws: list[tuple[dict[str, np.ndarray], Any, Any]], models: list[str], seed: int
) -> dict[str, Any]:
    """{model: [Ranking per draw]} of one shape."""
    from scoring.fitting.measures import Ranking

    found: dict[str, list[Any]] = {}
    for model in models:
        found[model] = [
            Ranking(bad, ranked(values, bad, model, seed + n)) for n, (values, bad, _p) in enumerate(draws)
        ]
    found["truth"] = [Ranking(bad, chance) for _values, bad, chance in draws]
    return found


def interval(
    one: list[Any], other: list[Any] | None, sizes: list[int], seed: int = 20
) -> tuple[float, float]:
    """95 % of the mean AUC, or of the mean difference, when customers of each draw are drawn again."""
    rng = np.random.default_rng(seed)
    found = []
    for _draw in range(DRAWS):
        total = []
        for n, size in enumerate(sizes):
            weights = np.bincount(rng.integers(0, size, size), minlength=size).astype(float)
            a, b = one[n].auc(weights), other[n].auc(weights) if other else 0.0
            if a is not None and b is not None:
                total.append(a - b)
        found.append(np.mean(total))
    low, high = np.quantile(found, [0.025, 0.975])
    return float(low), float(high)


def mean_auc(rankings: list[Any]) -> float:
    return float(np.mean([one.auc() for one in rankings]))


def run(options: Any, fresh: Any, say: Any) -> None:
    models = [m for m in MODELS if m == "lowest" or m in options.models.split(",")]
    chosen = [s for s in SHAPES if options.shapes in s.name]
    say(
        f"  {options.seeds} draws of each shape from seed {options.first_seed}; AUC by {FOLDS}-fold cross-validation"
    )
    for shape in chosen:
        draws = [drawn(shape, options.first_seed + n, fresh, options.kept) for n in range(options.seeds)]
        sizes = [bad.size for _values, bad, _p in draws]
        found = judge(draws, models, options.first_seed)
        bads = np.mean([bad.sum() for _values, bad, _p in draws])
        told = ", ".join(f"{m} {mean_auc(found[m]):.3f}" for m in [*models, "truth"])
        say(f"  {shape.name} ({sizes[0]} customers, {bads:.0f} bad): {told}")
        for other in models:
            if other != "card" and "card" in models:
                low, high = interval(found["card"], found[other], sizes)
                gap = mean_auc(found["card"]) - mean_auc(found[other])
                say(f"      card less {other:9} {gap:+.3f}  95 %: {low:+.3f} to {high:+.3f}")
