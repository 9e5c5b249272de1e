"""Links: how long a message or a view travels between an agent and a venue, and whether it arrives at all.

Figures of the named profiles: one-way times over the great circle by microwave (factor 1.01) and fibre (index 1.468,
route factor 1.2); Chicago-New Jersey 2013 to 2020 as published by network operators; retail from public order-routing
reports.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from lobenv.compiled import kernel
from lobenv.market import streams
from lobenv.market.tables import CONSTANT, FEED, LOGNORMAL, ORDER_ENTRY, REPORTING, UNIFORM, World

LOST = -1
MICROSECOND = 1_000
MILLISECOND = 1_000_000


class LinkModel(NamedTuple):
    """Delay of one direction of a link: base + jitter."""

    base_ns: int
    jitter: int = CONSTANT
    scale_ns: float = 0.0  # width of uniform jitter, median of lognormal jitter
    shape: float = 0.0  # sigma of lognormal jitter
    drop: float = 0.0  # probability of loss


class Profile(NamedTuple):
    """The three directions of a link."""

    order_entry: LinkModel
    report: LinkModel
    feed: LinkModel


def _same(model: LinkModel) -> Profile:
    """Orders may be lost where the model says so; reports and feed are repaired by the venue's recovery channel."""
    reliable = model._replace(drop=0.0)
    return Profile(model, reliable, reliable)


PROFILES: dict[str, Profile] = {
    "none": _same(LinkModel(0)),
    "colo": _same(LinkModel(5 * MICROSECOND, LOGNORMAL, 2.0 * MICROSECOND, 0.8)),
    "metro": _same(LinkModel(90 * MICROSECOND, UNIFORM, 100.0 * MICROSECOND)),
    "cross_country_microwave": _same(LinkModel(4 * MILLISECOND, LOGNORMAL, 20.0 * MICROSECOND, 1.0, 0.01)),
    "cross_country_fibre": _same(LinkModel(7 * MILLISECOND, LOGNORMAL, 50.0 * MICROSECOND, 0.8)),
    "leo": _same(LinkModel(7_900 * MICROSECOND, UNIFORM, 2.0 * MILLISECOND, 0.0, 0.001)),
    "geo": _same(LinkModel(239 * MILLISECOND, UNIFORM, 10.0 * MILLISECOND, 0.0, 0.001)),
    "retail": _same(LinkModel(40 * MILLISECOND, UNIFORM, 80.0 * MILLISECOND)),
}


def write_link(link: np.ndarray, profile: Profile) -> None:
    """Fill one LINK record, in place."""
    for direction, model in zip((ORDER_ENTRY, REPORTING, FEED), profile, strict=True):
        link["base"][direction] = model.base_ns
        link["jitter"][direction] = model.jitter
        link["scale"][direction] = model.scale_ns
        link["shape"][direction] = model.shape
        link["drop"][direction] = model.drop


def slowest_ns(model: LinkModel) -> int:
    """A delay that is exceeded less than once in a million draws [ns], for sizing histories."""
    if model.jitter == UNIFORM:
        return model.base_ns + math.ceil(model.scale_ns)
    if model.jitter == LOGNORMAL:
        return model.base_ns + math.ceil(model.scale_ns * math.exp(5.0 * model.shape))
    return model.base_ns


@kernel
def _jitter(link, direction, generators, stream):
    """Draw the jitter of one message [ns], advancing the link's stream where there is any."""
    shape = link["jitter"][direction]
    if shape == UNIFORM:
        return np.int64(streams.uniform(generators, stream) * link["scale"][direction])
    if shape == LOGNORMAL:
        return np.int64(
            link["scale"][direction] * math.exp(link["shape"][direction] * streams.normal(generators, stream))
        )
    return np.int64(0)


@kernel
def travel(world: World, agent, book, direction, start):
    """When something sent at `start` gets there, or LOST; nothing overtakes on a link.

    Args:
        world: The market; the link's stream and its latest arrival advance.
        agent: The agent at one end.
        book: The book at the other; its venue chooses the link.
        direction: ORDER_ENTRY, REPORTING or FEED.
        start: When it is sent [ns].
    """
    link = world.links[world.agents[agent]["link_class"], world.books[book]["venue"]]
    session = world.sessions[agent, book]
    stream = session["stream"][direction]
    if link["drop"][direction] > 0.0 and streams.uniform(world.streams, stream) < link["drop"][direction]:
        return np.int64(LOST)
    arrival = start + link["base"][direction] + _jitter(link, direction, world.streams, stream)
    arrival = max(arrival, session["last"][direction])
    session["last"][direction] = arrival
    return arrival


@kernel
def feed_delay(world: World, agent, book):
    """Delay of the view that an agent has at this moment [ns], advancing the stream of its feed."""
    link = world.links[world.agents[agent]["link_class"], world.books[book]["venue"]]
    return link["base"][FEED] + _jitter(link, FEED, world.streams, world.sessions[agent, book]["stream"][FEED])
