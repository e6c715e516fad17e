"""Plain models beside the card: the same rows, the same signals, scikit-learn's defaults but for regularisation.

Only a benchmark depends on scikit-learn. The regularisation of the logistic regression is chosen by folds of
customers inside the training rows, as the card's is; gradient boosting runs with early stopping on customers set
aside the same way.
"""

from __future__ import annotations

import os

# Threads of gradient boosting that wait for each other on a shared machine cost far more than they bring.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from numpy.typing import NDArray

from scoring.fitting.account_fit import NEVER_LEARNED, customer_folds
from scoring.fitting.logistic import log_loss, logit
from scoring.fitting.observations import Observations
from scoring.signals import BY_NAME

Floats = NDArray[np.float64]


def columns(obs: Observations) -> list[int]:
    """Signals any row has a value of and a card may use."""
    return [
        n
        for n, name in enumerate(obs.signals)
        if name not in NEVER_LEARNED and BY_NAME[name].carries_points and np.isfinite(obs.values[:, n]).any()
    ]


def logistic(train: Observations, test: Observations) -> Floats:
    """Probabilities of a ridge logistic regression on standardised signals, missing ones flagged."""
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    chosen, fold = columns(train), customer_folds(train, 5, 7)

    def made(strength: float):
        return make_pipeline(
            SimpleImputer(strategy="median", add_indicator=True),
            StandardScaler(),
            LogisticRegression(C=strength, max_iter=1000),
        )

    def loss(strength: float) -> float:
        held = np.zeros(train.rows)
        for number in range(5):
            inside = fold != number
            model = made(strength).fit(train.values[inside][:, chosen], train.bad[inside])
            held[~inside] = model.predict_proba(train.values[~inside][:, chosen])[:, 1]
        return log_loss(train.bad, logit(held))

    best = min((0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 1.0), key=loss)
    model = made(best).fit(train.values[:, chosen], train.bad)
    return model.predict_proba(test.values[:, chosen])[:, 1]


def boosting(train: Observations, test: Observations) -> Floats:
    """Probabilities of gradient boosting; the number of trees and leaves chosen by folds of customers."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    chosen, fold = columns(train), customer_folds(train, 4, 7)
    tried = [(trees, leaves) for leaves in (4, 8, 16) for trees in (25, 50, 100)]

    def made(trees: int, leaves: int):
        return HistGradientBoostingClassifier(
            max_iter=trees, max_leaf_nodes=leaves, learning_rate=0.06, min_samples_leaf=40, random_state=0
        )

    def loss(setting: tuple[int, int]) -> float:
        held = np.zeros(train.rows)
        for number in range(4):
            inside = fold != number
            model = made(*setting).fit(train.values[inside][:, chosen], train.bad[inside])
            held[~inside] = model.predict_proba(train.values[~inside][:, chosen])[:, 1]
        return log_loss(train.bad, logit(held))

    model = made(*min(tried, key=loss)).fit(train.values[:, chosen], train.bad)
    return model.predict_proba(test.values[:, chosen])[:, 1]
