"""Policies that decide for market makers, and the short addresses under which they are loaded.

An address is ``family:NAME`` or ``family:NAME?parameter=value&parameter=value``:

    rule:inventory_skewed?half_spread=2&skew=0.5    a written rule with its parameters
    ppo:calm   gp:volatile   tuned:all              a learned policy of the zoo
    ppo:zoo                                         the zoo's for the scenario at hand, else the one called all
    ppo:runs/RUN/policy                             a learned policy in a folder

Another package adds a family of its own by `register`, or as an entry point of the group `lobenv.policies`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any

from lobenv.registry import Registry
from lobenv.scenario.config import Scenario
from policies import rule
from policies.artefact import ArtefactError, read_sidecar, zoo
from policies.base import (
    WITHDRAW,
    MarketSpec,
    Policy,
    action_mode_of,
    encode_quotes,
    market_spec,
    parse_address,
)
from policies.gp import prepare_gp
from policies.markets import spec_of
from policies.ppo import prepare_ppo
from policies.sidecar import SIDECARS, Family
from policies.tuned import prepare_tuned

__all__ = [
    "WITHDRAW",
    "ArtefactError",
    "MarketSpec",
    "Policy",
    "action_mode_of",
    "available",
    "check",
    "encode_quotes",
    "load",
    "market_spec",
    "register",
]

# Name and parameters of an address -> what builds the policy for a market. It raises a ValueError about either.
Loader = Callable[[str, Mapping[str, object]], Callable[[MarketSpec], Policy]]


def register(family: str, loader: Loader) -> None:
    """Add a family of policies, so that `load` understands ``family:NAME?parameter=value``.

    A package that is installed can name its families as entry points of the group `lobenv.policies` instead.

    Args:
        family: What its addresses begin with.
        loader: ``loader(name, parameters)`` checks both and returns what builds the policy for a `MarketSpec`; the
            parameters of an address are text, those of a call what they are.

    Raises:
        RegistrationError: There is a family of that name already; one line.
    """
    _FAMILIES.add(family, loader, getattr(loader, "__module__", "an object"))


def load(
    address: str,
    market: MarketSpec | Scenario | Mapping[str, Any] | str | PathLike[str] | Any,
    *,
    fallback: str | None = None,
    **overrides: object,
) -> Policy:
    """Build the policy that an address names.

    Args:
        address: `available` lists the names; a learned policy may also be the path of its folder.
        market: what it will act in: an environment (single, vector, or of Stable-Baselines3), a scenario or a
            scenario's name; or its constants.
        fallback: address of the policy that plays, after a RuntimeWarning, where a learned one cannot be had: it is
            missing or broken, or ``RL_POLICY_ENABLED=false`` switches it off.
        **overrides: parameters that win over those in the address.

    Returns:
        The policy; call `reset` before `act`.

    Raises:
        ArtefactError: a learned policy cannot be had, and there is no fallback; one line naming file and reason.
        ValueError: one line naming the address, what is wrong with it and what is allowed.
    """
    if fallback is not None:
        check(fallback)  # a mistyped one shows at once, not on the day that it is needed
    spec = spec_of(market)
    try:
        return _prepare(address, overrides)(spec)
    except ArtefactError as error:
        if fallback is None:
            raise
        warnings.warn(f"{error}; {fallback} plays instead", RuntimeWarning, stacklevel=2)
    return load(fallback, spec)


def check(address: str, *, fallback: str | None = None, **overrides: object) -> None:
    """Refuse a wrong address before there is an environment to build the policy for.

    Args:
        address: as in `load`.
        fallback: as in `load`; checked too, and where there is one, a learned policy that cannot be had is no error.
        **overrides: as in `load`.

    Raises:
        ValueError: as `load`.
    """
    try:
        _prepare(address, overrides)
    except ArtefactError:
        if fallback is None:
            raise
    if fallback is not None:
        check(fallback)


def available() -> dict[str, str]:
    """Return every address without parameters, each with one line on what it is: the rules, then the zoo."""
    rules = {f"rule:{name}": (kind.__doc__ or "").splitlines()[0] for name, kind in rule.RULES.items()}
    shipped = {
        f"{family}:{name}": _described(folder, family) for family in SIDECARS for name, folder in zoo(family).items()
    }
    return rules | shipped


def _described(folder: Path, family: Family) -> str:
    """One line on a learned policy."""
    try:
        sidecar = read_sidecar(folder, family)
    except ArtefactError as error:
        return f"Cannot be loaded: {error}."
    names = ", ".join(dict.fromkeys(scenario.name for scenario in sidecar.scenarios))
    return f"Learned by {sidecar.algorithm} on {names} in {sidecar.training.total_steps:,} steps."


def _prepare(address: str, overrides: Mapping[str, object]) -> Callable[[MarketSpec], Policy]:
    try:
        family, name, parameters = parse_address(address)
        return _loader_of(family)(name, {**parameters, **overrides})
    except ArtefactError:
        raise
    except ValueError as error:
        raise ValueError(f"policy {address!r}: {error}") from None


def _prepare_rule(name: str, parameters: Mapping[str, object]) -> Callable[[MarketSpec], Policy]:
    return partial(rule.RulePolicy, rule.build(name, parameters))


def _loader_of(family: str) -> Loader:
    try:
        return _FAMILIES.find(family)
    except ValueError as error:
        raise ValueError(f"family {error}") from None


def _check_loader(_family: str, loader: object) -> None:
    if not callable(loader):
        raise TypeError(f"its loader must be a function of a name and a mapping of parameters, got {loader!r}")


_FAMILIES: Registry[Loader] = Registry(
    "policy family",
    "lobenv.policies",
    {"rule": _prepare_rule, "ppo": prepare_ppo, "gp": prepare_gp, "tuned": prepare_tuned},
    _check_loader,
)
