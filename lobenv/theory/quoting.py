"""Closed-form quotes of the market-making literature, for agents, rule policies and tests of learners.

All functions are plain NumPy, broadcast over scalars and arrays, and hold no state. Units are whatever the caller is
consistent in; the policies use ticks for price, lots for inventory and seconds for time. A distance is how far a quote
stands from the mid, positive away from it, so the bid is ``mid - bid_distance`` and the ask ``mid + ask_distance``;
``inf`` means that the side is not quoted. Fills follow ``arrival_rate * exp(-k * distance)`` per unit of time.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "GlftCoefficients",
    "avellaneda_stoikov_half_spread",
    "avellaneda_stoikov_quotes",
    "avellaneda_stoikov_shift",
    "avellaneda_stoikov_stationary_quotes",
    "cartea_jaimungal_quotes",
    "cartea_jaimungal_value",
    "glft_coefficients",
    "glft_quotes",
]

Floats = NDArray[np.float64]

# exp(-745) is the smallest positive float64: a terminal weight below it would read as an impossible inventory.
_SMALLEST_LOG_WEIGHT = -700.0
# The remainder of the exponential series of a matrix of norm <= 1 after this many terms is below 1e-18.
_SERIES_TERMS = 20


def avellaneda_stoikov_shift(inventory: ArrayLike, time_left: ArrayLike, *, gamma: float, sigma: ArrayLike) -> Floats:
    """Reservation price less mid: ``-q * gamma * sigma^2 * (T - t)``.

    Source: Avellaneda and Stoikov (2008), eq. 8 and 29.

    Args:
        inventory: signed position q [lots].
        time_left: T - t [s].
        gamma: absolute risk aversion [1 / (tick * lot)].
        sigma: volatility of the mid [ticks / sqrt(s)].

    Returns:
        Shift of the reservation price [ticks], in the shape the arguments broadcast to.

    Raises:
        ValueError: gamma is not positive, or sigma or time_left is negative.
    """
    _require_positive(gamma=gamma)
    _require_not_negative(sigma=sigma, time_left=time_left)
    return -np.asarray(inventory, dtype=np.float64) * (gamma * np.square(sigma) * np.asarray(time_left))


def avellaneda_stoikov_half_spread(time_left: ArrayLike, *, gamma: float, sigma: ArrayLike, k: float) -> Floats:
    """Half of the quoted spread about the reservation price: ``gamma sigma^2 (T - t) / 2 + ln(1 + gamma / k) / gamma``.

    Source: Avellaneda and Stoikov (2008), eq. 30, halved.

    Args:
        time_left: T - t [s].
        gamma: absolute risk aversion [1 / (tick * lot)].
        sigma: volatility of the mid [ticks / sqrt(s)].
        k: decay of the fill rate with distance [1 / tick].

    Returns:
        Half-spread [ticks], in the shape the arguments broadcast to.

    Raises:
        ValueError: gamma or k is not positive, or sigma or time_left is negative.
    """
    _require_positive(gamma=gamma, k=k)
    _require_not_negative(sigma=sigma, time_left=time_left)
    return 0.5 * gamma * np.square(sigma) * np.asarray(time_left, dtype=np.float64) + _fill_premium(gamma, k)


def avellaneda_stoikov_quotes(
    inventory: ArrayLike, time_left: ArrayLike, *, gamma: float, sigma: ArrayLike, k: float
) -> tuple[Floats, Floats]:
    """Finite-horizon quotes: the half-spread on each side of the reservation price.

    A distance may be negative: a large position is offered through the mid, and clamping is the caller's business.

    Source: Avellaneda and Stoikov (2008), eq. 29 and 30.

    Args:
        inventory: signed position q [lots].
        time_left: T - t [s].
        gamma: absolute risk aversion [1 / (tick * lot)].
        sigma: volatility of the mid [ticks / sqrt(s)].
        k: decay of the fill rate with distance [1 / tick].

    Returns:
        Bid and ask distance from the mid [ticks], each in the shape the arguments broadcast to.

    Raises:
        ValueError: gamma or k is not positive, or sigma or time_left is negative.
    """
    shift = avellaneda_stoikov_shift(inventory, time_left, gamma=gamma, sigma=sigma)
    half_spread = avellaneda_stoikov_half_spread(time_left, gamma=gamma, sigma=sigma, k=k)
    return half_spread - shift, half_spread + shift


def avellaneda_stoikov_stationary_quotes(
    inventory: ArrayLike, *, gamma: float, k: float, inventory_cap: int
) -> tuple[Floats, Floats]:
    """Infinite-horizon quotes, which do not depend on the clock.

    The paper discounts at ``omega = gamma^2 sigma^2 (q_max + 1)^2 / 2``, its own suggestion for a position bounded by
    q_max; with that choice volatility cancels, and the reservation prices are
    ``+-ln(1 - (1 +- 2q) / ((q_max + 1)^2 - q^2)) / gamma`` from the mid, + for the bid. At the cap the side that would
    breach it is ``inf``.

    Source: Avellaneda and Stoikov (2008), section 2.3, with the fill premium of eq. 30. Deviation: the ask there reads
    ``+ln(1 + (1 - 2q) ...)``, which does not satisfy the paper's own definition of a reservation price (eq. 5) and does
    not mirror the bid; here it is what eq. 5 gives.

    Args:
        inventory: signed position q [lots], within the cap.
        gamma: absolute risk aversion [1 / (tick * lot)].
        k: decay of the fill rate with distance [1 / tick].
        inventory_cap: q_max [lots].

    Returns:
        Bid and ask distance from the mid [ticks], each in the shape of inventory.

    Raises:
        ValueError: gamma, k or inventory_cap is not positive, or an inventory lies beyond the cap.
    """
    _require_positive(gamma=gamma, k=k, inventory_cap=inventory_cap)
    position = np.asarray(inventory, dtype=np.float64)
    if np.any(np.abs(position) > inventory_cap):
        raise ValueError(f"inventory must be within +-{inventory_cap} lots, got {np.max(np.abs(position)):g}")
    room = (inventory_cap + 1) ** 2 - np.square(position)
    premium = _fill_premium(gamma, k)
    with np.errstate(divide="ignore"):  # ln 0 at the cap is the answer: the side is not quoted
        bid_shift = np.log1p((-1 - 2 * position) / room) / gamma
        ask_shift = -np.log1p((2 * position - 1) / room) / gamma
    return premium - bid_shift, premium + ask_shift


class GlftCoefficients(NamedTuple):
    """The three numbers that make up a GLFT quote, all in ticks (skew: ticks per lot)."""

    c1: Floats  # distance that the fill rate alone asks for
    half_spread: Floats  # distance of both quotes at zero inventory
    skew: Floats  # how far both quotes move down for every lot held


def glft_coefficients(
    *,
    gamma: float,
    sigma: ArrayLike,
    arrival_rate: float,
    k: float,
    xi: float | None = None,
    order_size: float = 1.0,
) -> GlftCoefficients:
    """Coefficients of the long-horizon approximation.

    ``c1 = ln(1 + xi D / k) / (xi D)``, ``skew = sigma sqrt(gamma / (2 A D k) (1 + xi D / k)^(k / (xi D) + 1))`` and
    ``half_spread = c1 + D skew / 2`` with D the order size and A the arrival rate.

    Source: Gueant (2017), eq. 4.6 and 4.7; Gueant, Lehalle and Fernandez-Tapia (2013) for ``xi = gamma``.

    Args:
        gamma: risk aversion to price moves [1 / (tick * lot)].
        sigma: volatility of the mid [ticks / sqrt(s)].
        arrival_rate: A, fills per second at distance zero [1 / s].
        k: decay of the fill rate with distance [1 / tick].
        xi: risk aversion to not being filled [1 / (tick * lot)]; gamma when omitted, and 0 is the risk-neutral limit.
        order_size: D [lots].

    Returns:
        c1, half-spread and skew, each in the shape of sigma.

    Raises:
        ValueError: gamma, arrival_rate, k or order_size is not positive, or sigma or xi is negative.
    """
    _require_positive(gamma=gamma, arrival_rate=arrival_rate, k=k, order_size=order_size)
    fill_aversion = (gamma if xi is None else xi) * order_size
    _require_not_negative(sigma=sigma, xi=fill_aversion)
    c1 = _fill_premium(fill_aversion, k)
    # (1 + x/k)^(k/x + 1) written with c1, so that x -> 0 gives e instead of 1^inf.
    power = np.exp((k + fill_aversion) * c1)
    skew = np.asarray(sigma, dtype=np.float64) * np.sqrt(gamma * power / (2.0 * arrival_rate * order_size * k))
    return GlftCoefficients(np.full_like(skew, c1), c1 + 0.5 * order_size * skew, skew)


def glft_quotes(
    inventory: ArrayLike,
    *,
    gamma: float,
    sigma: ArrayLike,
    arrival_rate: float,
    k: float,
    xi: float | None = None,
    order_size: float = 1.0,
) -> tuple[Floats, Floats]:
    """Bid and ask distance of the long-horizon approximation, linear in inventory.

    Source: Gueant (2017), eq. 4.6 and 4.7.

    Args:
        inventory: signed position q [lots].
        gamma: risk aversion to price moves [1 / (tick * lot)].
        sigma: volatility of the mid [ticks / sqrt(s)].
        arrival_rate: A, fills per second at distance zero [1 / s].
        k: decay of the fill rate with distance [1 / tick].
        xi: risk aversion to not being filled [1 / (tick * lot)]; gamma when omitted.
        order_size: D [lots].

    Returns:
        Bid and ask distance from the mid [ticks], each in the shape the arguments broadcast to.

    Raises:
        ValueError: as `glft_coefficients`.
    """
    coefficients = glft_coefficients(
        gamma=gamma, sigma=sigma, arrival_rate=arrival_rate, k=k, xi=xi, order_size=order_size
    )
    shift = np.asarray(inventory, dtype=np.float64) * coefficients.skew
    return coefficients.half_spread + shift, coefficients.half_spread - shift


def cartea_jaimungal_value(
    time_left: ArrayLike, *, arrival_rate: float, k: float, phi: float, alpha: float, inventory_cap: int
) -> Floats:
    """What the right to make a market is still worth, above cash and marked inventory: h(t, q).

    The market maker maximises ``E[X_T + q_T S_T - alpha q_T^2 - phi int q^2 dt]`` with ``|q| <= inventory_cap``. Then
    ``h = ln(w) / k`` and ``w = exp(A (T - t)) z`` with the symmetric tridiagonal ``A_qq = -phi k q^2``, off-diagonals
    ``arrival_rate / e``, and ``z_q = exp(-alpha k q^2)``.

    The exponential is summed over non-negative matrices only and squared up, because w spans many orders of magnitude:
    an eigen-decomposition leaves rounding noise of the size of w's largest entry, which drowns the far inventories
    (with arrival_rate 1, k 1.5, phi 0.5, cap 10 and one unit of time it is wrong by 0.2 there).

    Source: Cartea, Jaimungal and Penalva (2015), section 10.2.

    Args:
        time_left: T - t [s], any shape.
        arrival_rate: market orders per second that would fill a quote at the mid, each side [1 / s].
        k: decay of the fill rate with distance [1 / tick].
        phi: running inventory penalty [ticks / (lot^2 s)].
        alpha: terminal inventory penalty [ticks / lot^2].
        inventory_cap: largest position Q allowed on either side [lots].

    Returns:
        h [tick * lots], shape ``time_left.shape + (2 Q + 1,)``, the last axis running over q = -Q..Q.

    Raises:
        ValueError: an argument is out of its range, or the cap is so wide that w leaves float64.
    """
    _require_positive(arrival_rate=arrival_rate, k=k, inventory_cap=inventory_cap)
    _require_not_negative(phi=phi, alpha=alpha, time_left=time_left)
    times = np.asarray(time_left, dtype=np.float64)
    inventory = np.arange(-inventory_cap, inventory_cap + 1, dtype=np.float64)
    terminal = -alpha * k * np.square(inventory)
    if terminal.min() < _SMALLEST_LOG_WEIGHT:
        raise ValueError(f"alpha * k * inventory_cap^2 must be <= {-_SMALLEST_LOG_WEIGHT:g}, got {-terminal.min():g}")
    generator = np.diag(-phi * k * np.square(inventory))
    next_door = np.arange(inventory.size - 1)
    generator[next_door, next_door + 1] = generator[next_door + 1, next_door] = arrival_rate / np.e
    growth = float(np.linalg.eigvalsh(generator)[-1])
    weight = _scaled_exponential(generator, times.reshape(-1), growth) @ np.exp(terminal)
    if not np.all(weight > 0.0):
        raise ValueError(f"inventory_cap must be smaller for these penalties, got {inventory_cap}: h leaves float64")
    value = (np.log(weight) + growth * times.reshape(-1, 1)) / k
    return value.reshape(*times.shape, inventory.size)


def cartea_jaimungal_quotes(
    time_left: ArrayLike, *, arrival_rate: float, k: float, phi: float, alpha: float, inventory_cap: int
) -> tuple[Floats, Floats]:
    """Optimal distances over the whole inventory grid.

    ``bid = 1/k - h(q + 1) + h(q)`` and ``ask = 1/k - h(q - 1) + h(q)``; the side that would breach the cap is ``inf``.

    Source: Cartea, Jaimungal and Penalva (2015), section 10.2.

    Args:
        time_left: T - t [s], any shape.
        arrival_rate: market orders per second that would fill a quote at the mid, each side [1 / s].
        k: decay of the fill rate with distance [1 / tick].
        phi: running inventory penalty [ticks / (lot^2 s)].
        alpha: terminal inventory penalty [ticks / lot^2].
        inventory_cap: largest position Q allowed on either side [lots].

    Returns:
        Bid and ask distance [ticks], each of shape ``time_left.shape + (2 Q + 1,)`` over q = -Q..Q.

    Raises:
        ValueError: as `cartea_jaimungal_value`.
    """
    value = cartea_jaimungal_value(
        time_left, arrival_rate=arrival_rate, k=k, phi=phi, alpha=alpha, inventory_cap=inventory_cap
    )
    step = np.diff(value, axis=-1)
    bid = np.full_like(value, np.inf)
    ask = np.full_like(value, np.inf)
    bid[..., :-1] = 1.0 / k - step
    ask[..., 1:] = 1.0 / k + step
    return bid, ask


def _fill_premium(aversion: float, k: float) -> float:
    """Return ``ln(1 + aversion / k) / aversion``, whose limit for no aversion is 1 / k."""
    return float(np.log1p(aversion / k) / aversion) if aversion > 0.0 else 1.0 / k


def _scaled_exponential(generator: Floats, times: Floats, growth: float) -> Floats:
    """Return ``exp((generator - growth) t)`` for every t, each entry to nearly full relative accuracy.

    Needs non-negative off-diagonals. Shape (N, N) and (T,) give (T, N, N).
    """
    size = generator.shape[0]
    shift = -float(generator.diagonal().min())
    nonnegative = generator + shift * np.eye(size)
    reach = float(nonnegative.sum(axis=1).max()) * float(times.max(initial=0.0))
    halvings = max(0, int(np.ceil(np.log2(max(reach, 1.0)))))
    step = (times / 2.0**halvings)[:, None, None]
    term = np.broadcast_to(np.eye(size), (times.size, size, size))
    power = term.copy()
    # A corner entry starts only at order N - 1, so the series runs that much longer.
    for order in range(1, size + _SERIES_TERMS):
        term = term @ (nonnegative * (step / order))
        power += term
    power *= np.exp(-(shift + growth) * step)
    for _ in range(halvings):
        power = power @ power
    return power


def _require_positive(**arguments: float) -> None:
    for name, value in arguments.items():
        if not (np.isfinite(value) and value > 0.0):
            raise ValueError(f"{name} must be finite and > 0, got {value}")


def _require_not_negative(**arguments: ArrayLike) -> None:
    for name, value in arguments.items():
        values = np.asarray(value, dtype=np.float64)
        if not np.all(np.isfinite(values) & (values >= 0.0)):
            raise ValueError(f"{name} must be finite and >= 0, got {value}")
