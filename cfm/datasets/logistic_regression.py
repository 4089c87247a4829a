"""The posterior of a Bayesian logistic regression on real data: does a tumour's picture say that it is malignant?

    y_i ~ Bernoulli(1 / (1 + exp(-theta . a_i))),    theta ~ N(0, prior_std^2 I)

on scikit-learn's breast-cancer data: the ten mean measurements of each of 569 tumours, standardised, and a constant.
The coordinates are x in theta = theta* + L x, with theta* the mode and L L^T the inverse Hessian there, so that N(0, I)
is Laplace's approximation and the flow learns what that gets wrong. The log density is up to the evidence, unknown.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cfm.datasets import Density

if TYPE_CHECKING:
    from torch import Tensor

_MEASUREMENTS = 10  # the first columns, the means; the other twenty are their errors and extremes


@functools.cache
def _design() -> tuple[np.ndarray, np.ndarray]:
    """Covariates (n, 11) with a constant, and outcomes (n,) as 0 and 1."""
    from sklearn.datasets import load_breast_cancer

    table, outcome = load_breast_cancer(return_X_y=True)
    a = table[:, :_MEASUREMENTS]
    a = (a - a.mean(axis=0)) / a.std(axis=0)
    return np.concatenate([a, np.ones((len(a), 1))], axis=1), outcome.astype(np.float64)


@functools.cache
def _laplace(prior_std: float) -> tuple[np.ndarray, np.ndarray]:
    """The mode theta* (11,) by Newton's method, and L (11, 11) with L L^T the inverse of minus the Hessian there."""
    a, y = _design()
    theta = np.zeros(a.shape[1])
    for _ in range(100):
        p = 1 / (1 + np.exp(-a @ theta))
        slope = a.T @ (y - p) - theta / prior_std**2
        hessian = (a * (p * (1 - p))[:, None]).T @ a + np.eye(len(theta)) / prior_std**2
        step = np.linalg.solve(hessian, slope)
        theta = theta + step
        if np.abs(step).max() < 1e-12:
            break
    return theta, np.linalg.inv(np.linalg.cholesky(hessian)).T


@dataclass(frozen=True)
class LogisticRegression(Density):
    """The standard deviation of the prior of every coefficient."""

    prior_std: float

    @property
    def dim(self) -> int:
        return _MEASUREMENTS + 1

    def log_density(self, x: Tensor) -> Tensor:
        import torch

        a, y = (torch.from_numpy(part).to(x) for part in _design())
        mode, scale = (torch.from_numpy(part).to(x) for part in _laplace(self.prior_std))
        theta = mode + x @ scale.T
        logits = theta @ a.T
        likelihood = (y * logits - torch.nn.functional.softplus(logits)).sum(dim=1)
        return likelihood - 0.5 * theta.square().sum(dim=1) / self.prior_std**2


DATASET = LogisticRegression
