"""Policies that decide for market makers, and the short addresses under which they are loaded.

An address is ``family:NAME`` or ``family:NAME?parameter=value&parameter=value``, as in
``rule:inventory_skewed?half_spread=2&skew=0.5``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from policies import rule
from policies.base import WITHDRAW, MarketSpec, Policy, encode_quotes

__all__ = ["WITHDRAW", "MarketSpec", "Policy", "available", "check", "encode_quotes", "load"]


def load(address: str, market: MarketSpec, **overrides: object) -> Policy:
    """Build the policy that an address names.

    Args:
        address: ``rule:NAME?parameter=value&...``; `available` lists the names.
        market: constants of the environment it will act in.
        **overrides: parameters that win over those in the address.

    Returns:
        The policy; call `reset` before `act`.

    Raises:
        ValueError: one line naming the address, what is wrong with it and what is allowed.
    """
    return _prepare(address, overrides)(market)


def check(address: str, **overrides: object) -> None:
    """Refuse a wrong address before there is an environment to build the policy for.

    Raises:
        ValueError: as `load`.
    """
    _prepare(address, overrides)


def available() -> dict[str, str]:
    """Return every loadable address without parameters, each with one line on what it does."""
    return {f"rule:{name}": (kind.__doc__ or "").splitlines()[0] for name, kind in rule.RULES.items()}


def _prepare(address: str, overrides: Mapping[str, object]) -> Callable[[MarketSpec], Policy]:
    family, _, rest = address.partition(":")
    if family not in _FAMILIES:
        raise ValueError(f"policy {address!r}: family must be one of {', '.join(_FAMILIES)}, got {family!r}")
    name, _, query = rest.partition("?")
    try:
        return _FAMILIES[family](name, {**_parameters(query), **overrides})
    except ValueError as error:
        raise ValueError(f"policy {address!r}: {error}") from None


def _parameters(query: str) -> dict[str, str]:
    parameters: dict[str, str] = {}
    for pair in query.split("&") if query else ():
        parameter, equals, value = pair.partition("=")
        if not (parameter and equals and value):
            raise ValueError(f"parameters must read 'name=value&name=value', got {query!r}")
        if parameter in parameters:
            raise ValueError(f"parameter {parameter!r} must be given once, got {query!r}")
        parameters[parameter] = value
    return parameters


def _prepare_rule(name: str, parameters: Mapping[str, object]) -> Callable[[MarketSpec], Policy]:
    return partial(rule.RulePolicy, rule.build(name, parameters))


_FAMILIES: Mapping[str, Callable[[str, Mapping[str, object]], Callable[[MarketSpec], Policy]]] = {"rule": _prepare_rule}
