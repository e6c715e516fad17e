"""The bank-only card: does it tell loans that go bad from those that do not, better than one low balance does?

`--flows FILE --loans FILE`: a feed and what became of the loans granted on it (bad: B, D; good: A, C). Another feed
comes with its mapping (`--feed-mapping`, docs/bank-data.md), its columns of loans (`--loan-columns`) and its words for what
became of them (`--bad`, `--good`). Features are
those of the product (scoring/signals/bank.py), as known the day before the loan was granted. The card is fitted by the
recipe of scoring/fitting/small.py inside each fold of a repeated stratified cross-validation; the baseline is the
lowest balance of the last 90 days alone. Nothing is chosen by looking at a fold that is judged. The shipped expert thin
card, which no data tuned, is judged beside them. The same is then done on a made-up bank whose truth is known.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
from collections import Counter
from collections.abc import Collection
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

# The folder beside the project (or beside a worktree of it).
SHARED = next(
    (
        found
        for up in Path(__file__).resolve().parents[2:4]
        if (found := up / "shared/data/bank_flows").is_dir()
    ),
    Path("../shared/data/bank_flows"),
)
BAD, GOOD = frozenset("BD"), frozenset("AC")
COLUMNS = ("account_id", "granted", "outcome")
DATES = {6: "%y%m%d", 8: "%Y%m%d", 10: "%Y-%m-%d"}
LEAST = 7
"""Accounts with a bad outcome, and with a good one: fewer leave fewer than five of a kind to learn from in some fold."""
BASELINE = "bank_balance_low"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--flows", type=Path, default=SHARED / "transactions.csv.gz", help="bank lines (pkdd-bank)"
    )
    parser.add_argument(
        "--loans", type=Path, default=SHARED / "loans.csv", help="account_id, granted, outcome"
    )
    parser.add_argument("--feed-mapping", default="pkdd-bank", help="mapping of the bank lines")
    parser.add_argument(
        "--loan-columns",
        default=",".join(COLUMNS),
        help="columns of account, day granted and outcome in the loans file",
    )
    parser.add_argument("--bad", default="B,D", help="outcomes that count as bad")
    parser.add_argument("--good", default="A,C", help="outcomes that count as good; others are left out")
    parser.add_argument("--repeats", type=int, default=20, help="bank_card: repeats of the cross-validation")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--generated", type=int, default=600, help="bank_card: accounts of the made-up bank")


def _day(text: str) -> date:
    """YYMMDD, YYYYMMDD or YYYY-MM-DD."""
    return datetime.strptime(text.strip(), DATES.get(len(text.strip()), DATES[10])).date()


class BadFile(ValueError):
    """A file of loans that cannot be read; the text names the cure."""


def read_loans(
    path: Path,
    columns: tuple[str, ...] = COLUMNS,
    bad: Collection[str] = BAD,
    good: Collection[str] = GOOD,
) -> list[dict[str, Any]]:
    """Loans with a known outcome: account_id, granted (date), outcome, bad (0 or 1)."""
    found = []
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        if missing := [name for name in columns if name not in (reader.fieldnames or [])]:
            raise BadFile(f"{path.name} has no column {', '.join(missing)}: name them with --loan-columns")
        for number, row in enumerate(reader, start=2):
            account, granted, outcome = (row[name].strip() for name in columns)
            if outcome not in {*bad, *good}:
                continue
            try:
                day = _day(granted)
            except ValueError as error:
                raise BadFile(
                    f"{path.name}, row {number}, {columns[1]} {granted!r} is no day: write YYYY-MM-DD"
                ) from error
            found.append(
                {"account_id": account, "granted": day, "outcome": outcome, "bad": float(outcome in bad)}
            )
    return found


def load(
    flows: Path, rows: list[dict[str, Any]], mapping: str = "pkdd-bank"
) -> tuple[dict[str, np.ndarray], int]:
    """Features of loans as known the day before each was granted, and how many bank lines were imported."""
    from creditdesk.core.audit import Actor
    from creditdesk.core.facts import View
    from customers.bank.consents import record_consent
    from customers.bank.feeds import Options, run_bank_import
    from customers.bank.mapping import find_bank_mapping
    from customers.models import Company, CreditAccount, CreditSegment, Customer
    from scoring.bank_flows import NAMES, bank_values
    from scoring.statement import Scope

    company = Company.objects.create(code="bank", name="Bank", currency="CZK")
    segment = CreditSegment.objects.create(company=company, code="all", name="All")
    accounts: dict[str, CreditAccount] = {}
    for number in sorted({row["account_id"] for row in rows}):
        customer = Customer.objects.create(code=number, name=number)
        record_consent(
            customer,
            purpose="benchmark",
            effective_on=date(1970, 1, 1),
            expires_on=date(2100, 1, 1),
            actor=Actor.job("benchmark"),
        )
        accounts[number] = CreditAccount.objects.create(
            customer=customer, segment=segment, company=company, currency="CZK"
        )
    options = Options(today=date(2100, 1, 1) - timedelta(days=1), commit=True)
    report = run_bank_import(flows, find_bank_mapping(mapping), options)
    columns: dict[str, list[float]] = {name: [] for name in NAMES}
    for row in rows:
        before = row["granted"] - timedelta(days=1)
        account = accounts[row["account_id"]].pk
        found = bank_values(before, Scope.of([account]), View(known_at=before)).get(account, {})
        for name in NAMES:
            value = found.get(name)
            columns[name].append(float("nan") if value is None else float(value))
    return {name: np.array(some) for name, some in columns.items()}, report.counts["lines"]


def folds(bad: np.ndarray, groups: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """The fold of each row: stratified by outcome, all loans of one account in the same fold."""
    place = np.empty(bad.size, dtype=int)
    names, member = np.unique(groups, return_inverse=True)
    worst = np.zeros(names.size)
    np.maximum.at(worst, member, bad)
    of_name = np.empty(names.size, dtype=int)
    for outcome in (0, 1):
        some = rng.permutation(np.flatnonzero(worst == outcome))
        of_name[some] = (np.arange(some.size) + rng.integers(count)) % count
    place[:] = of_name[member]
    return place


def cross_validate(
    values: dict[str, np.ndarray], bad: np.ndarray, groups: np.ndarray, *, repeats: int, count: int
) -> tuple[list[np.ndarray], Counter[str]]:
    """Out-of-fold risks per repeat, and how often each signal was chosen."""
    from scoring.fitting.logistic import FitError
    from scoring.fitting.small import fit_small
    from scoring.signals.bank import SIGNALS

    # The money signals are not scale-free, and trends that a worse fact could better carry no points.
    directions = {s.name: s.higher_is for s in SIGNALS if s.carries_points}
    usable = {name: values[name] for name in directions}
    risks, chosen = [], Counter()
    rng = np.random.default_rng(20)
    for repeat in range(repeats):
        place = folds(bad, groups, count, rng)
        risk = np.empty(bad.size)
        for fold in range(count):
            train, test = place != fold, place == fold
            try:
                card = fit_small(
                    {n: v[train] for n, v in usable.items()},
                    bad[train],
                    directions,
                    seed=1000 * repeat + fold,
                )
            except FitError:
                # No signal tells them apart: everybody ranks alike.
                risk[test] = 1.0
                continue
            # Folds have different base rates: only the order within a fold is the card's.
            inside, outside = (
                card.risk({n: v[train] for n, v in usable.items()}),
                card.risk({n: v[test] for n, v in usable.items()}),
            )
            risk[test] = np.searchsorted(np.sort(inside), outside, side="left") / inside.size
            risk[test] += np.searchsorted(np.sort(inside), outside, side="right") / inside.size
            chosen.update(card.names)
        risks.append(risk)
    return risks, chosen


def expert_scores(values: dict[str, np.ndarray], table: Any) -> np.ndarray:
    """Scores of an expert thin card (its module) from the bank data alone; what else it prices is missing."""
    from scoring.card import as_card
    from scoring.default_card import build_bins
    from scoring.models import Scorecard

    row = Scorecard(code="thin", version=1, base_points=table.BASE_POINTS)
    card = as_card(row, build_bins(row, table.BINS))
    scores = np.full(len(next(iter(values.values()))), table.BASE_POINTS)
    for name in table.BINS:
        known = values.get(name, np.full(scores.size, np.nan))
        scores += [card.points_of(name, None if np.isnan(v) else round(float(v), 6)) for v in known]
    return scores


def judge(rows: list[dict[str, Any]], values: dict[str, np.ndarray], options: Any, say: Any) -> None:
    from scoring import default_thin_card, default_thin_card_3
    from scoring.fitting.measures import Ranking, bootstrap_many

    bad = np.array([row["bad"] for row in rows])
    groups = np.array([row["account_id"] for row in rows])
    counts = [np.unique(groups[bad == outcome]).size for outcome in (1, 0)]
    if min(counts) < LEAST:
        say(
            f"  refused: {counts[0]} accounts with a bad and {counts[1]} with a good outcome; at least {LEAST} of each are "
            "needed to learn in one part and judge in another (are --bad and --good the words of the file?)"
        )
        return
    risks, chosen = cross_validate(values, bad, groups, repeats=options.repeats, count=options.folds)
    card = [Ranking(bad, risk) for risk in risks]
    low = values[BASELINE]
    # A balance that is not known ranks in the middle, as in the card.
    baseline = Ranking(bad, -np.where(np.isnan(low), np.nanmedian(low), low))
    expert, first = (
        Ranking(bad, -expert_scores(values, table)) for table in (default_thin_card_3, default_thin_card)
    )

    def of_card(weights: np.ndarray | None = None) -> float | None:
        found = [one.auc(weights) for one in card]
        return None if None in found else float(np.mean(found))

    measures = {
        "fitted card, by cross-validation": of_card,
        "lowest balance of 90 days alone": baseline.auc,
        "shipped expert thin card": expert.auc,
        "expert card 1, bank flows only": first.auc,
        "fitted card less lowest balance": lambda w=None: _less(of_card(w), baseline.auc(w)),
    }
    intervals = bootstrap_many(groups, measures, draws=500)
    for name, measure in measures.items():
        interval = intervals[name]
        reach = f"{interval.low:.3f} to {interval.high:.3f}" if interval else "no interval"
        say(f"  AUC {name:34} {measure(None):6.3f}   95 %: {reach}")
    spread = [one.auc() for one in card]
    ahead = sum(area > baseline.auc() for area in spread)
    say(
        f"  the card's repeats: {min(spread):.3f} to {max(spread):.3f} (repeats {options.repeats}, folds {options.folds}), "
        f"ahead of the lowest balance in {ahead}"
    )
    fits = options.repeats * options.folds
    kept = ", ".join(
        f"{name.removeprefix('bank_')} {count / fits:.0%}" for name, count in chosen.most_common(8)
    )
    say(f"  chosen inside the folds: {kept}")


def _less(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else a - b


def run(options: Any, fresh: Any, say: Any) -> None:
    if options.flows.is_file() and options.loans.is_file():
        words = [frozenset(part.strip() for part in some.split(",")) for some in (options.bad, options.good)]
        names = tuple(part.strip() for part in options.loan_columns.split(","))
        if len(names) != len(COLUMNS):
            raise SystemExit(f"--loan-columns names {len(COLUMNS)} columns: account, day granted, outcome")
        try:
            rows = read_loans(options.loans, names, *words)
        except BadFile as error:
            raise SystemExit(str(error)) from error
        fresh()
        values, lines = load(options.flows, rows, options.feed_mapping)
        say(
            f"  {options.flows.name}: {lines:,} lines, {len(rows)} loans, {sum(r['bad'] for r in rows):.0f} bad"
        )
        judge(rows, values, options, say)
    else:
        say(f"  skipped: no bank flows at {options.flows} (give --flows and --loans)")
    from benchmarks._bank_feed import write_feed

    fresh()
    with tempfile.TemporaryDirectory() as folder:
        flows, loans, truth = write_feed(Path(folder), options.generated)
        rows = read_loans(loans)
        values, lines = load(flows, rows)
    from scoring.fitting.measures import auc

    outcome = np.array([row["bad"] for row in rows])
    best = auc(outcome, np.array([truth[row["account_id"]] for row in rows]))
    say(
        f"  made-up bank: {lines:,} lines, {len(rows)} loans, {outcome.sum():.0f} bad; best possible AUC {best:.3f}"
    )
    judge(rows, values, options, say)
