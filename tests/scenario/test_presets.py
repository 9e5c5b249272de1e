"""The presets: each loads, builds, fits its tables, and is the market that it says it is."""

import numpy as np
import pytest

from lobenv.agents.kinds import KINDS, number_of
from lobenv.market.tables import FEED, ORDER_ENTRY
from lobenv.scenario.build import build
from lobenv.scenario.external import External
from lobenv.scenario.loading import PRESET_FOLDER, load, presets
from lobenv.simulation.market import Market

NAMES = ("calm", "institutional_sweep", "liquidity_shock", "news_jump", "replay", "rmsc04", "two_venues", "volatile")
SIMULATED = tuple(name for name in NAMES if name != "replay")
MAKER = External("maker", interval_ns=500_000_000, inventory_cap=1_000)


def count_by_kind(scenario):
    counts = {}
    for agents in scenario.agents.values():
        counts[agents.kind] = counts.get(agents.kind, 0) + agents.count
    return counts


def test_presets_are_listed_with_what_they_are_for():
    listed = presets()
    assert tuple(listed) == NAMES
    assert all(len(description) > 20 for description in listed.values())


@pytest.mark.parametrize("name", NAMES)
def test_preset_bears_its_name_and_opens_with_a_comment(name):
    assert load(name).name == name
    assert (PRESET_FOLDER / f"{name}.yaml").read_text().startswith("# ")


@pytest.mark.parametrize("name", NAMES)
def test_tables_of_a_preset_have_a_row_for_every_trader(name):
    scenario = load(name)
    world = build(scenario, (MAKER,)).world
    assert len(world.agents) == 2 + sum(agents.count for agents in scenario.agents.values())
    numbers, counts = np.unique(world.agents["kind"][2:], return_counts=True)
    expected = {number_of(kind): count for kind, count in count_by_kind(scenario).items()}
    assert dict(zip(numbers.tolist(), counts.tolist(), strict=True)) == expected


def test_calm_is_the_task_that_is_documented():
    calm = load("calm")
    assert (calm.tick_size, calm.fundamentals["SIM"].price, len(calm.books)) == (0.01, 100.0, 1)
    assert (calm.session.warm_up_s, calm.session.duration_s, calm.maker.decision_interval_s) == (10.0, 600.0, 0.5)
    assert calm.steps == 1_200
    counts = count_by_kind(calm)
    assert (counts["retail"], counts["institution"]) == (40, 3)
    assert counts.keys() == KINDS.entries().keys() - {"arbitrageur"}


def test_calm_market_takes_less_than_a_quarter_of_a_megabyte():
    assert sum(table.nbytes for table in build(load("calm"), (MAKER,)).world) < 250_000


def test_rmsc04_has_the_population_and_the_hours_of_abides():
    rmsc04 = load("rmsc04")
    assert count_by_kind(rmsc04) == {"market_maker": 2, "value": 102, "momentum": 12, "noise": 1_000}
    assert rmsc04.close_ns == 23_400 * 10**9
    assert rmsc04.fundamentals["SIM"].price / rmsc04.tick_size == 100_000


def test_arbitrageurs_of_two_venues_have_a_link_of_another_length_to_each():
    scenario = load("two_venues")
    world = build(scenario).world
    arbitrageur = world.agents[-1]
    links = world.links[arbitrageur["link_class"]]
    venues = list(dict.fromkeys(book.venue for book in scenario.books))
    base_us = dict(zip(venues, (links["base"][:, ORDER_ENTRY] / 1_000).tolist(), strict=True))
    assert base_us == {"new_jersey": 90.0, "chicago": 4_000.0}
    assert (links["base"][:, FEED] == links["base"][:, ORDER_ENTRY]).all()


@pytest.mark.parametrize("name", [name for name in SIMULATED if name != "rmsc04"])
def test_preset_trades_on_a_book_with_two_sides(name):
    market = Market(load(name, {"session.duration_s": 20}), seed=5, tape=False)
    market.run(29.0)
    assert (market.world.books["trades"] > 0).all()
    assert (market.world.books["shown_qty"] > 0).all()
    assert (market.world.books["shown"][:, 0] < market.world.books["shown"][:, 1]).all()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("name", SIMULATED)
def test_tables_of_a_preset_suffice_for_a_whole_session(name, seed):
    market = Market(name, seed=seed, tape=False)
    market.run()
    clock = market.world.clock[0]
    assert market.now_ns >= clock["session_close"]
    assert clock["trades"] > 0
    # Slots are handed out lowest first, so that a slot with an id has been needed: at most half of them.
    assert 0 < np.count_nonzero(market.world.orders["id"]) <= len(market.world.orders) // 2
    assert 0 < np.count_nonzero(market.world.messages["time"]) <= len(market.world.messages) // 2
    assert 0 < np.count_nonzero(market.world.events["time"]) <= len(market.world.events) // 2
