"""The invoice card against scikit-learn on the same features, rows and dates: a real ledger and many made ones.

Rivals are fitted to exactly the card's own features: plain logistic regression (standardised), the same with its
penalty chosen by cross-validation, gradient boosting and histogram gradient boosting with their defaults. Intervals
are 95 %, customers drawn again. Nothing here chooses anything for the card.
"""

from __future__ import annotations

import argparse
import tempfile
import warnings
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
GIVEN = ROOT.parent / "shared" / "data" / "ledger" / "accounts-receivable.csv"
TRAIN_UNTIL = date(2013, 4, 1)
DRAWS = 300
LAST = 10**6
"""A day after every ledger."""
OURS, MEAN = "our card", "mean days late"
MEASURES = {
    "brier": "Brier",
    "log-loss": "log-loss",
    "agrees": "tenths within their interval",
    "refused": "ledgers refused in all tenths at once",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--ledger", type=Path, default=GIVEN, help="ledger file in the ibm-watson layout")
    parser.add_argument("--made-seeds", type=int, default=1, help="times each made ledger is made")
    parser.add_argument("--made-first-seed", type=int, default=100, help="seed of the first of them")
    parser.add_argument("--made-only", action="store_true", help="leave the ledger file out")


def rivals() -> dict[str, Callable[[], Any]]:
    from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return {
        "logistic": lambda: make_pipeline(StandardScaler(), LogisticRegression(max_iter=5000)),
        "logistic, C by CV": lambda: make_pipeline(
            StandardScaler(), LogisticRegressionCV(max_iter=5000, scoring="neg_log_loss")
        ),
        "boosting": lambda: GradientBoostingClassifier(random_state=0),
        "histogram boosting": lambda: HistGradientBoostingClassifier(random_state=0),
    }


class Comparison:
    """One ledger, one training day: everybody's chances for the same test rows."""

    def __init__(self, ledger: Any, until: int) -> None:
        from scoring.invoices.fitting import fit_invoices, moments_after_due, moments_at_issue, training
        from scoring.invoices.history import History, Moment

        self.ledger, self.history = ledger, History(ledger)
        self.model = fit_invoices(ledger, until)
        self.sets = dict(zip(("issue", "unpaid"), training(ledger, until), strict=True))
        tests = np.flatnonzero(ledger.issued >= until)
        after = moments_after_due(ledger, tests)
        late = tests[(ledger.paid_known[tests] > after.day) & (ledger.closed_known[tests] > after.day)]
        self.seen: dict[str, Moment] = {
            "issue": moments_at_issue(ledger, tests),
            "unpaid": moments_after_due(ledger, late),
        }
        self.low, self.high = ledger.delay_at(LAST)

    def chances(self, stage: str, days: int) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]] | None:
        """(outcomes, places of the rows, chances by model); None where the card itself refuses to fit the target.

        Rows whose outcome nobody knows (credited ones) are left out.
        """
        from scoring.invoices.features import features
        from scoring.invoices.ledger import beyond

        target = next(t for t in getattr(self.model, stage) if t.days == days)
        if not target.fitted:
            return None
        seen, outcomes = self.seen[stage], self.sets[stage]
        happened, told = outcomes.of(self.ledger, days)
        rows = features(target.priors, self.history, outcomes.seen)[told]
        tests = features(target.priors, self.history, seen)
        estimates = self.model.estimate(self.history, seen)
        found = {OURS: estimates.late if days == 0 else estimates.late_15}
        for name, make in rivals().items():
            found[name] = make().fit(rows, happened[told]).predict_proba(tests)[:, 1]
        count, late, _took = self.history.payments(seen)
        usual = target.priors.days_late.mean
        found[MEAN] = np.where(count > 0, late / np.maximum(count, 1), usual)
        bad = beyond(self.low[seen.place], self.high[seen.place], days)
        known = ~np.isnan(bad)
        return bad[known], seen.place[known], {model: p[known] for model, p in found.items()}


def compare(ledger: Any, until: int, say: Callable[[str], None], *, full: bool) -> dict[str, Any]:
    """full: every model with its interval; else one line per target."""
    from scoring.fitting.clustered import calibration_by_customer, calibration_together
    from scoring.fitting.logistic import FitError, log_loss, logit
    from scoring.fitting.measures import Ranking, bootstrap_many, brier, capture

    try:
        both = Comparison(ledger, until)
    except FitError as error:
        say(f"  refused: {error}")
        return {}
    summary: dict[str, Any] = {}
    for days, name in ((0, "late"), (15, "> 15 days")):
        found = both.chances("issue", days)
        if found is None:
            say(f"  {name:<10} not fitted: {next(t for t in both.model.issue if t.days == days).why}")
            continue
        bad, places, chances = found
        if not 0 < bad.sum() < bad.size:
            continue
        customer = ledger.account[places]
        ranks = {model: Ranking(bad, p) for model, p in chances.items()}
        told = {model: p for model, p in chances.items() if model != MEAN}
        tables = {model: calibration_by_customer(bad, p, customer) for model, p in told.items()}
        agrees = {model: float(np.mean([row["agrees"] for row in rows])) for model, rows in tables.items()}
        tests = {model: calibration_together(bad, p, customer) for model, p in told.items()}
        briers = {model: brier(bad, p) for model, p in told.items()}
        losses = {model: log_loss(bad, logit(p)) for model, p in told.items()}
        statistics: dict[str, Any] = {m: ranks[m].auc for m in chances}
        for model in chances:
            if model != OURS:
                statistics[f"less {model}"] = lambda w, r=ranks, m=model: _less(r[OURS].auc(w), r[m].auc(w))
        spans = bootstrap_many(customer, statistics, draws=DRAWS)
        for model, _chance in chances.items() if full else ():
            span = spans[model]
            score = "" if model == MEAN else f"   Brier {briers[model]:.4f}, log-loss {losses[model]:.4f}"
            say(
                f"  {name:<10}{model:<20} AUC {ranks[model].auc():.3f} ({span.low:.3f} to {span.high:.3f}){score}"
            )
        gaps = {
            m: (ranks[OURS].auc() - ranks[m].auc(), spans[f"less {m}"].low, spans[f"less {m}"].high)
            for m in chances
            if m != OURS and spans[f"less {m}"]
        }
        text = ", ".join(
            f"{m} {gap:+.3f} ({low:+.3f} to {high:+.3f})" for m, (gap, low, high) in gaps.items()
        )
        say(
            f"  {name:<10}{bad.size} rows, {int(bad.sum())} events: ours {ranks[OURS].auc():.3f}, ahead of {text}; Brier "
            f"ours {briers[OURS]:.4f}, logistic {briers['logistic']:.4f}, boosting {briers['boosting']:.4f}"
        )
        say(
            "    tenths within their interval, and p of all at once: "
            + ", ".join(f"{m} {agrees[m]:.0%} of {len(tables[m])}, {_p(tests[m])}" for m in tables)
        )
        for row in tables[OURS] if full else ():
            low, high = row["interval"]
            say(
                f"    {row['count']:>5} of {row['customers']:>3} customers predicted {row['predicted']:.3f} observed "
                f"{row['observed']:.3f} ({low:.3f} to {high:.3f})"
            )
        summary[name] = {m: r.auc() for m, r in ranks.items()} | {
            "agrees": agrees,
            "refused": {m: float("nan") if t is None else float(not t.agrees) for m, t in tests.items()},
            "brier": briers,
            "log-loss": losses,
            "gaps": gaps,
        }
    found = both.chances("unpaid", 15)
    if found is not None and found[0].any():
        bad, places, chances = found
        amount, customer = ledger.amount[places], ledger.account[places]
        held = {m: capture(bad * amount, p * amount) for m, p in chances.items()}
        spans = bootstrap_many(
            customer,
            {m: (lambda w, p=p: capture(bad * amount, p * amount, weights=w)) for m, p in chances.items()},
            draws=DRAWS,
        )
        text = ", ".join(
            f"{m} {value:.3f}"
            + (f" ({spans[m].low:.3f} to {spans[m].high:.3f})" if full and spans[m] else "")
            for m, value in held.items()
        )
        say(f"  loss > 15 days held by the riskiest fifth of {bad.size} overdue invoices: {text}")
        summary["capture"] = held
    return summary


def _p(found: Any) -> str:
    return "too few customers" if found is None else f"p {found.p_value:.3f}"


def _less(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else a - b


def given_ledger(path: Path, fresh: Callable[[], None]) -> Any:
    """The file as the product imports it, read back from the database."""
    from django.core.management import call_command

    from scoring.invoices.load import load_ledger

    fresh()
    with tempfile.TemporaryFile("w+") as nowhere:
        call_command("import_ledger", path, "--mapping", "ibm-watson", "--commit", stdout=nowhere)
    return load_ledger()


def run(options: argparse.Namespace, fresh: Callable[[], None], say: Callable[[str], None]) -> None:
    # The library announces changes of its own defaults with every fit.
    warnings.filterwarnings("ignore", category=FutureWarning, module="sklearn")
    try:
        import sklearn  # noqa: F401
    except ImportError:
        say("skipped: scikit-learn is not installed (it comes with the development dependencies)")
        return
    from benchmarks._channel_ledgers import CHANNEL
    from benchmarks.ledgers import LEDGERS

    if options.made_only:
        say("the ledger file is left out, as asked")
    elif not options.ledger.exists():
        say(f"skipped: there is no {options.ledger}; --ledger names another file of that layout")
    else:
        say(
            f"{options.ledger.name}, trained on invoices issued before {TRAIN_UNTIL} as known then, tested on the rest"
        )
        compare(given_ledger(options.ledger, fresh), TRAIN_UNTIL.toordinal(), say, full=True)
    found: dict[str, list[dict[str, Any]]] = {"all": [], "that tell how invoices were sent": []}
    channel = {maker.__name__ for maker in CHANNEL}
    for name, make in LEDGERS.items():
        for seed in range(options.made_seeds):
            ledger = make(np.random.default_rng(options.made_first_seed + seed))
            say(f"{name}, made with seed {options.made_first_seed + seed}")
            summary = compare(ledger, int(np.quantile(ledger.issued, 0.65)), say, full=False)
            found["all"].append(summary)
            if name in channel:
                found["that tell how invoices were sent"].append(summary)
    for which, summaries in found.items():
        say(f"made ledgers, {which}")
        summarise(summaries, say)


def summarise(found: list[dict[str, Any]], say: Callable[[str], None]) -> None:
    """Means over made ledgers."""
    for target in ("late", "> 15 days"):
        rows = [summary[target] for summary in found if target in summary]
        if not rows:
            continue
        models = [model for model in rows[0] if model not in (*MEASURES, "gaps")]
        means = ", ".join(f"{model} {np.mean([row[model] for row in rows]):.4f}" for model in models)
        say(f"mean AUC for '{target}' over {len(rows)} made ledgers: {means}")
        for measure, words in MEASURES.items():
            means = ", ".join(
                f"{model} {np.nanmean([row[measure][model] for row in rows]):.4f}"
                for model in rows[0][measure]
            )
            say(f"  {words}: {means}")
        for model in rows[0]["gaps"]:
            gaps = [row["gaps"][model] for row in rows if model in row["gaps"]]
            say(
                f"  against {model}: ahead {sum(g[0] > 0 for g in gaps)} ({sum(g[1] > 0 for g in gaps)} beyond "
                f"doubt), behind {sum(g[0] < 0 for g in gaps)} ({sum(g[2] < 0 for g in gaps)} beyond doubt)"
            )
    rows = [summary["capture"] for summary in found if "capture" in summary]
    if rows:
        say(
            "mean share of loss in the riskiest fifth: "
            + ", ".join(f"{model} {np.mean([row[model] for row in rows]):.4f}" for model in rows[0])
        )
