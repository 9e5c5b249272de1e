"""Turns a scenario into tables: the template that every market of a batch starts as a copy of."""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lobenv.agents.base import AgentConfig, Place
from lobenv.agents.kinds import EXTERNAL_AGENT, OPENING_BOOK, RECORDED_FLOW, kind_of, number_of
from lobenv.market.memory import ALIGNMENT, aligned
from lobenv.market.network import PROFILES, LinkModel, Profile, slowest_ns, write_link
from lobenv.market.tables import (
    CONSTANT,
    DTYPES,
    LOGNORMAL,
    MILLITICKS,
    NONE,
    PREVENTION,
    REGULAR,
    UNIFORM,
    World,
)
from lobenv.roles.base import Seat
from lobenv.roles.roles import number_of as role_number_of
from lobenv.roles.roles import role_of
from lobenv.scenario.config import Latency, Link, Scenario
from lobenv.scenario.external import External
from lobenv.scenario.limits import milliticks
from lobenv.scenario.problems import ScenarioError
from lobenv.settings import SECOND
from lobenv.tape.labels import INTENT_NUMBERS

JITTERS = {"constant": CONSTANT, "uniform": UNIFORM, "lognormal": LOGNORMAL}
SEEDABLE_AGENTS = 1 << 20
MOST_CAPTURES = 1 << 16  # of one external agent
MOST_BYTES = 1 << 31  # of one market
SETTING_OF = {  # what makes a table large, where it is not a capacity of the same name
    "levels": "capacity.ladder_ticks",
    "accounts": "agents.*.count",
    "sessions": "agents.*.count",
    "agents": "agents.*.count",
    "memory": "agents.*.count",
    "wakes": "agents.*.count",
    "streams": "agents.*.count",
    "captures": "the number of external agents",
    "recording": "the recorded day",
}

LinkClass = tuple[str, ...]  # a latency profile for each venue


@dataclass(frozen=True)
class Template:
    """What a market starts from.

    Attributes:
        world: Tables of one market before its first instant.
        scenario: What it was built from.
        externals: External agents; they are agents 1 … K.
    """

    world: World
    scenario: Scenario
    externals: tuple[External, ...]


def build(
    scenario: Scenario,
    externals: tuple[External, ...] = (),
    *,
    tape: bool = False,
    recording: np.ndarray | None = None,
) -> Template:
    """Lay out and fill the tables of a scenario.

    Args:
        scenario: The market.
        externals: External agents; they become agents 1 … K.
        tape: Whether the market keeps a tape.
        recording: (rows,) RECORDING_ROW, flow of the replay scenario.

    Returns:
        The template, which no market changes.
    """
    _check_names(scenario, externals)
    groups = [(name, config) for name, config in scenario.agents.items() if config.count]
    total = 1 + len(externals) + sum(config.count for _, config in groups)
    classes = _link_classes(scenario, externals)
    shared = _shared_tables(scenario, groups)
    world = _allocate(scenario, externals, groups, total, len(classes), shared, tape, recording)
    _write_clock(world, scenario)
    _write_books(world, scenario)
    _write_fundamentals(world, scenario)
    _write_links(world, scenario, classes)
    _chain_free_slots(world)
    _write_agents(world, scenario, externals, groups, classes, recording is not None)
    _write_shared(world, externals, groups, shared)
    _write_streams(world)
    _write_opening(world, scenario, recording is not None)
    return Template(world, scenario, externals)


def _check_names(scenario: Scenario, externals: tuple[External, ...]) -> None:
    """A name keys random streams, so no two traders may share one."""
    taken = {"opening", *scenario.agents}
    for external in externals:
        if external.name in taken:
            raise ValueError(
                f"external agents: name {external.name!r} is taken, by another or by a group of the scenario"
            )
        taken.add(external.name)


def _symbols(scenario: Scenario) -> list[str]:
    return list(dict.fromkeys(book.symbol for book in scenario.books))


def _venues(scenario: Scenario) -> list[str]:
    return list(dict.fromkeys(book.venue for book in scenario.books))


def _link_class(scenario: Scenario, latency: str, by_venue: Mapping[str, str]) -> LinkClass:
    return tuple(by_venue.get(venue, latency) for venue in _venues(scenario))


def _link_classes(scenario: Scenario, externals: tuple[External, ...]) -> list[LinkClass]:
    """The classes of links in use, the first without delay."""
    used = [_link_class(scenario, agents.latency, agents.latency_by_venue) for agents in scenario.agents.values()]
    used += [_link_class(scenario, agent.latency, {}) for agent in externals]
    return list(dict.fromkeys([_link_class(scenario, "none", {}), *used]))


def _role_bytes(external: External) -> int:
    return 0 if external.role is None else aligned(role_of(external.role).record.itemsize)


def _captures_needed(scenario: Scenario, externals: tuple[External, ...]) -> int:
    """Photographs of the book that can be under way to one external agent, and one to spare."""
    most = 0
    for agent in externals:
        if agent.interval_ns:
            delay = slowest_ns(profile_of(scenario, agent.latency).feed)
            needed = math.ceil(delay / agent.interval_ns) + 2
            if needed > MOST_CAPTURES:
                raise ScenarioError(
                    f"{agent.name}: interval must be >= {delay / (MOST_CAPTURES - 2) / SECOND:.3g} s where the "
                    f"feed of latency {agent.latency} takes up to {delay / SECOND:.3g} s, "
                    f"got {agent.interval_ns / SECOND:g}"
                )
            most = max(most, needed)
    return max(most, 2)


def _allocate(
    scenario: Scenario,
    externals: tuple[External, ...],
    groups: Sequence[tuple[str, AgentConfig]],
    total: int,
    classes: int,
    shared: Mapping[str, np.ndarray],
    tape: bool,
    recording: np.ndarray | None,
) -> World:
    capacity, books = scenario.capacity, len(scenario.books)
    symbols = len(_symbols(scenario))
    shapes: dict[str, tuple[int, ...]] = {
        "clock": (1,),
        "books": (books,),
        "levels": (books, capacity.ladder_ticks),
        "orders": (capacity.orders,),
        "messages": (capacity.messages,),
        "events": (capacity.events,),
        "wakes": (total,),
        "agents": (total,),
        "memory": (max(_memory_bytes(externals, groups), ALIGNMENT),),
        "accounts": (total, books),
        "sessions": (total, books),
        "links": (classes, len(_venues(scenario))),
        "streams": (total * (1 + 3 * books) + 2 * symbols,),
        "feed": (books, capacity.feed),
        "fundamentals": (symbols,),
        "externals": (len(externals),),
        "captures": (len(externals), _captures_needed(scenario, externals)),
        "inbox": (capacity.inbox,),
        "fills": (capacity.fills,),
        "tape": (capacity.tape if tape else 0,),
        "recording": (0 if recording is None else len(recording),),
        "opening": (1,),
        "watches": (sum(len(agent.follows) for agent in externals),),
        "shared": (max(sum(aligned(table.nbytes) for table in shared.values()), ALIGNMENT),),
    }
    _check_size(shapes)
    world = World(*(np.zeros(shapes[name], dtype) for name, dtype in DTYPES.items()))
    if recording is not None:
        world.recording[:] = recording
    return world


def _memory_bytes(externals: tuple[External, ...], groups: Sequence[tuple[str, AgentConfig]]) -> int:
    return sum(map(_role_bytes, externals)) + sum(config.count * kind_of(config).state_bytes for _, config in groups)


def _write_opening(world: World, scenario: Scenario, recorded: bool) -> None:
    record, opening = world.opening[0], scenario.opening
    record["mean_shares"] = opening.mean_shares
    record["levels"] = 0 if recorded else opening.levels
    record["half_spread"] = opening.half_spread_ticks
    record["withdraw_at"] = round(opening.withdraw_s * SECOND)


def _check_size(shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Refuse a market that is larger than any computer should be asked for.

    Raises:
        ScenarioError: One line naming the setting that makes it so.
    """
    sizes = {name: math.prod(shapes[name]) * dtype.itemsize for name, dtype in DTYPES.items()}
    total, largest = sum(sizes.values()), max(sizes, key=lambda name: sizes[name])
    if total > MOST_BYTES:
        setting = SETTING_OF.get(largest, f"capacity.{largest}")
        raise ScenarioError(
            f"{setting}: one market must take <= {MOST_BYTES / 2**30:.3g} GiB, got {total / 2**30:.3g}, "
            f"for its {largest} above all"
        )


def _write_clock(world: World, scenario: Scenario) -> None:
    clock = world.clock[0]
    clock["session_open"] = round(scenario.session.open_s * SECOND)
    clock["session_close"] = scenario.close_ns + 1  # so that what happens at the last decision comes first
    clock["attention"] = NONE


def _write_books(world: World, scenario: Scenario) -> None:
    symbols, venues = _symbols(scenario), _venues(scenario)
    width = scenario.capacity.ladder_ticks
    for record, book in zip(world.books, scenario.books, strict=True):
        price = scenario.fundamental_of(book.symbol).price
        base = max(round(price / scenario.tick_size) - width // 2, 1)
        record["venue"], record["symbol"] = venues.index(book.venue), symbols.index(book.symbol)
        record["base"] = base
        record["best"] = record["shown"] = (base - 1, base + width)
        record["first_pegged"] = record["last_pegged"] = NONE
        record["halt_band"] = book.halts.band_ticks
        record["halt_pause"] = round(book.halts.pause_s * SECOND)
        record["halt_memory"] = round(book.halts.memory_s * SECOND)
        record["maker_fee"] = round(book.fees.maker_per_share / scenario.tick_size * MILLITICKS)
        record["taker_fee"] = round(book.fees.taker_per_share / scenario.tick_size * MILLITICKS)
        record["maker_ppm"] = round(book.fees.maker_bps * 100)
        record["taker_ppm"] = round(book.fees.taker_bps * 100)
        record["last_price"] = base + width // 2
    for name in ("head", "tail", "hidden_head", "hidden_tail"):
        world.levels[name] = NONE


def _write_fundamentals(world: World, scenario: Scenario) -> None:
    for record, symbol in zip(world.fundamentals, _symbols(scenario), strict=True):
        config = scenario.fundamental_of(symbol)
        step, pull = config.step_s, config.reversion_per_s
        decay = math.exp(-pull * step)
        growth = -math.expm1(-2.0 * pull * step) / (2.0 * pull) if pull > 0 else step
        record["value"] = record["mean"] = config.price / scenario.tick_size
        record["reversion"], record["volatility"] = pull, config.volatility_ticks
        record["decay"], record["deviation"] = decay, config.volatility_ticks * math.sqrt(growth)
        record["jump_interval"] = 3600.0 * SECOND / config.jumps_per_hour if config.jumps_per_hour else 0.0
        record["jump_mean"], record["jump_deviation"] = config.jump_mean_ticks, config.jump_deviation_ticks
        record["step"] = round(step * SECOND)


def _model_of(link: Link) -> LinkModel:
    return LinkModel(round(link.base_us * 1e3), JITTERS[link.jitter], link.scale_us * 1e3, link.shape, link.drop)


def profile_of(scenario: Scenario, name: str) -> Profile:
    """The latency profile of that name, the scenario's own before the built-in ones."""
    own: Latency | None = scenario.latencies.get(name)
    if own is None:
        return PROFILES[name]
    return Profile(_model_of(own.order_entry), _model_of(own.report), _model_of(own.feed))


def _write_links(world: World, scenario: Scenario, classes: list[LinkClass]) -> None:
    for row, names in zip(world.links, classes, strict=True):
        for link, name in zip(row, names, strict=True):
            write_link(link, profile_of(scenario, name))


def _chain_free_slots(world: World) -> None:
    """Link the free order and message slots, lowest first."""
    for name, table in (("free_order", world.orders), ("free_message", world.messages)):
        table["next"] = np.arange(1, len(table) + 1)
        table["next"][-1] = NONE
        world.clock[0][name] = 0


def _identity(name: str, index: int) -> int:
    """A number that keys a trader's streams by the name of its group and its place in it, and by nothing else."""
    return zlib.crc32(name.encode()) * SEEDABLE_AGENTS + index


def _write_agents(
    world: World,
    scenario: Scenario,
    externals: tuple[External, ...],
    groups: Sequence[tuple[str, AgentConfig]],
    classes: list[LinkClass],
    recorded: bool,
) -> None:
    world.agents["external"] = NONE
    world.accounts["first_order"] = NONE
    first = world.agents[0]
    first["kind"] = RECORDED_FLOW if recorded else OPENING_BOOK
    first["rhythm"] = REGULAR
    first["interval"] = SECOND
    first["identity"] = _identity("opening", 0)
    offset = 0
    for k, external in enumerate(externals):
        _write_external(world, scenario, k, offset, external, classes)
        offset += _role_bytes(external)
    world.watches["agent"] = NONE
    world.watches["book"] = [book for external in externals for book in external.follows]
    world.clock["guarded"] = sum(external.loss_limit > 0 for external in externals)
    agent = 1 + len(externals)
    for name, config in groups:
        for index in range(config.count):
            _write_trader(world, scenario, agent, offset, name, config, _place(scenario, config, index), classes)
            agent, offset = agent + 1, offset + kind_of(config).state_bytes


def _place(scenario: Scenario, config: AgentConfig, number: int) -> Place:
    return Place(number, scenario.books_of(config), scenario.tick_size, scenario.close_ns)


def _shared_tables(scenario: Scenario, groups: Sequence[tuple[str, AgentConfig]]) -> dict[str, np.ndarray]:
    """Name of a group to the table that its traders read together."""
    tables = ((name, config.shared(_place(scenario, config, 0))) for name, config in groups)
    return {name: np.ascontiguousarray(table) for name, table in tables if table is not None}


def _write_shared(
    world: World,
    externals: tuple[External, ...],
    groups: Sequence[tuple[str, AgentConfig]],
    shared: Mapping[str, np.ndarray],
) -> None:
    """Copy the groups' tables in, one after the other, and tell their traders where."""
    agent, offset = 1 + len(externals), 0
    for name, config in groups:
        if name in shared:
            size = shared[name].nbytes
            world.shared[offset : offset + size] = shared[name].reshape(-1).view(np.uint8)
            world.agents["shared"][agent : agent + config.count] = offset
            offset += aligned(size)
        agent += config.count


def _write_external(
    world: World, scenario: Scenario, k: int, offset: int, config: External, classes: list[LinkClass]
) -> None:
    agent = 1 + k
    record, own = world.agents[agent], world.externals[k]
    record["kind"] = EXTERNAL_AGENT
    record["identity"] = _identity(config.name, 0)
    record["external"] = k
    record["book"] = own["book"] = config.book
    record["link_class"] = classes.index(_link_class(scenario, config.latency, {}))
    record["computation"] = config.computation_ns
    record["inventory_cap"] = config.inventory_cap
    record["loss_limit"] = milliticks(f"{config.name}.loss_limit", config.loss_limit, scenario.tick_size)
    record["order_rate"] = config.order_rate
    record["allowed"] = config.allowed
    record["flatten"] = config.flatten
    record["stp"] = config.stp
    own["agent"] = agent
    own["interval"] = config.interval_ns
    own["first_decision"] = scenario.first_decision_ns
    own["wants_reports"] = config.wants_reports
    own["steps"] = config.steps
    if config.role is not None:
        role = role_of(config.role)
        own["role"] = role_number_of(role.name)
        record["memory"] = offset
        seat = Seat(scenario.tick_size, config.interval_ns / SECOND, scenario.session.duration_s)
        config.role.write(world.memory[offset : offset + role.record.itemsize].view(role.record)[0], seat)


def _write_trader(
    world: World,
    scenario: Scenario,
    agent: int,
    offset: int,
    name: str,
    config: AgentConfig,
    place: Place,
    classes: list[LinkClass],
) -> None:
    record = world.agents[agent]
    kind = kind_of(config)
    record["kind"] = number_of(kind.name)
    record["rhythm"] = config.rhythm
    record["interval"] = config.mean_interval_s * SECOND
    record["identity"] = _identity(name, place.number)
    record["book"] = place.home
    record["memory"] = offset
    record["link_class"] = classes.index(_link_class(scenario, config.latency, config.latency_by_venue))
    record["computation"] = round(config.computation_us * 1e3)
    record["inventory_cap"] = config.inventory_cap_shares
    record["order_rate"] = config.order_rate_per_s
    record["stp"] = PREVENTION[config.self_trade_prevention]
    record["label"] = INTENT_NUMBERS[config.label]
    config.write(world.memory[offset : offset + kind.state.itemsize].view(kind.state)[0], place)


def _write_streams(world: World) -> None:
    """Deal out the streams: one to each agent, three to each of its sessions, two to each fundamental."""
    agents, books = world.sessions.shape
    world.agents["stream"] = np.arange(agents)
    world.sessions["stream"] = agents + np.arange(3 * agents * books).reshape(agents, books, 3)
    first = agents * (1 + 3 * books)
    world.fundamentals["stream"] = first + 2 * np.arange(len(world.fundamentals))
    world.fundamentals["jump_stream"] = world.fundamentals["stream"] + 1
