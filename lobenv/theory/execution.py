"""Closed-form execution schedules: how a parent order is best spread over time, and what that costs.

Plain NumPy. Units are the caller's; the figures of the paper are shares, dollars and days. A schedule sells a positive
quantity; buying is the mirror image with the same cost.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "LinearImpact",
    "almgren_chriss_cost_std",
    "almgren_chriss_expected_cost",
    "almgren_chriss_kappa",
    "almgren_chriss_trajectory",
]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class LinearImpact:
    """Linear price impact and volatility of one stock.

    Source: Almgren and Chriss (2000), section 1 and table 1.
    """

    sigma: float  # volatility [$ / share / sqrt(day)]
    epsilon: float  # fixed cost of selling, about half the spread [$ / share]
    gamma: float  # permanent impact [$ / share^2]
    eta: float  # temporary impact [$ / share per (share / day)]

    def __post_init__(self) -> None:
        """Refuse what has no meaning.

        Raises:
            ValueError: eta is not positive, or another field is negative or not finite.
        """
        for field in fields(self):
            value = getattr(self, field.name)
            if not np.isfinite(value) or value < 0.0 or (field.name == "eta" and value == 0.0):
                raise ValueError(
                    f"{field.name} must be finite and {'>' if field.name == 'eta' else '>='} 0, got {value}"
                )

    def temporary(self, interval: float) -> float:
        """Temporary impact net of the permanent impact of one interval: ``eta - gamma * tau / 2``.

        Args:
            interval: tau, time between two trades [days].

        Raises:
            ValueError: the interval is so long that nothing is left, and no schedule is optimal.
        """
        net = self.eta - 0.5 * self.gamma * interval
        if net <= 0.0:
            raise ValueError(f"interval must be < 2 * eta / gamma = {2.0 * self.eta / self.gamma:g}, got {interval:g}")
        return net


def almgren_chriss_kappa(interval: float, risk_aversion: float, impact: LinearImpact) -> float:
    """Urgency: the rate at which the optimal position decays.

    Solves ``cosh(kappa tau) = 1 + lambda sigma^2 tau^2 / (2 eta~)``.

    Source: Almgren and Chriss (2000), eq. 16.

    Args:
        interval: tau, time between two trades [days].
        risk_aversion: lambda [1 / $].
        impact: the stock.

    Returns:
        kappa [1 / day]; 0 without risk aversion or volatility.

    Raises:
        ValueError: interval is not positive or too long, or risk_aversion is negative.
    """
    _require(interval > 0.0, "interval", "> 0", interval)
    _require(risk_aversion >= 0.0, "risk_aversion", ">= 0", risk_aversion)
    # cosh x - 1 = 2 sinh^2(x / 2): the same root without the cancellation of arccosh near 1.
    half = 0.5 * impact.sigma * interval * np.sqrt(risk_aversion / impact.temporary(interval))
    return float(2.0 * np.arcsinh(half) / interval)


def almgren_chriss_trajectory(
    quantity: float, horizon: float, intervals: int, risk_aversion: float, impact: LinearImpact
) -> Floats:
    """Shares still held at each trading time: ``X sinh(kappa (T - t)) / sinh(kappa T)``.

    Source: Almgren and Chriss (2000), eq. 17; a straight line where kappa is 0.

    Args:
        quantity: X, shares to sell.
        horizon: T [days].
        intervals: N, number of trades.
        risk_aversion: lambda [1 / $].
        impact: the stock.

    Returns:
        Shape (N + 1,) [shares], from X down to exactly 0.

    Raises:
        ValueError: an argument is out of its range.
    """
    _require(quantity >= 0.0, "quantity", ">= 0", quantity)
    _require(horizon > 0.0, "horizon", "> 0", horizon)
    _require(intervals >= 1, "intervals", ">= 1", intervals)
    kappa = almgren_chriss_kappa(horizon / intervals, risk_aversion, impact)
    time_left = np.linspace(horizon, 0.0, intervals + 1)
    if kappa * horizon < 1e-8:
        return quantity * time_left / horizon
    # sinh(a) / sinh(b) through exponentials of negative numbers: sinh itself overflows for an urgent seller.
    decay = np.exp(-kappa * (horizon - time_left))
    return quantity * decay * np.expm1(-2.0 * kappa * time_left) / np.expm1(-2.0 * kappa * horizon)


def almgren_chriss_expected_cost(trajectory: ArrayLike, interval: float, impact: LinearImpact) -> float:
    """Expected shortfall against the arrival price, of any schedule.

    ``gamma X^2 / 2 + epsilon sum |n| + eta~ / tau sum n^2`` with n the shares sold in each interval.

    Source: Almgren and Chriss (2000), eq. 8.

    Args:
        trajectory: shape (N + 1,), shares held, ending at 0.
        interval: tau [days].
        impact: the stock.

    Returns:
        Expected cost [$].

    Raises:
        ValueError: the trajectory does not end at 0, or the interval is out of its range.
    """
    held = _schedule(trajectory, interval)
    sold = -np.diff(held)
    permanent = 0.5 * impact.gamma * held[0] ** 2
    temporary = impact.temporary(interval) / interval * np.square(sold).sum()
    return float(permanent + impact.epsilon * np.abs(sold).sum() + temporary)


def almgren_chriss_cost_std(trajectory: ArrayLike, interval: float, impact: LinearImpact) -> float:
    """Standard deviation of the shortfall, of any schedule: ``sigma sqrt(tau sum x^2)``, x held after each trade.

    Source: Almgren and Chriss (2000), eq. 5.

    Args:
        trajectory: shape (N + 1,), shares held, ending at 0.
        interval: tau [days].
        impact: the stock.

    Returns:
        Standard deviation [$].

    Raises:
        ValueError: the trajectory does not end at 0, or the interval is not positive.
    """
    held = _schedule(trajectory, interval)
    return float(impact.sigma * np.sqrt(interval * np.square(held[1:]).sum()))


def _schedule(trajectory: ArrayLike, interval: float) -> Floats:
    held = np.asarray(trajectory, dtype=np.float64)
    _require(interval > 0.0, "interval", "> 0", interval)
    _require(held.ndim == 1 and held.size >= 2, "trajectory", "one row of at least two positions", held.shape)
    _require(held[-1] == 0.0, "trajectory", "0 at its end", held[-1])
    return held


def _require(holds: bool, name: str, allowed: str, value: object) -> None:
    if not holds:
        raise ValueError(f"{name} must be {allowed}, got {value}")
