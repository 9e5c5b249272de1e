"""Scenarios from presets, files, mappings and overrides, and the one line that says what is wrong with one."""

import copy
import pickle

import pytest

from lobenv.scenario.config import Scenario
from lobenv.scenario.loading import PRESET_FOLDER, load, presets, scenario_hash, to_yaml
from lobenv.scenario.problems import ScenarioError

KINDS = "noise, retail, value, momentum, mean_reversion, market_maker, avellaneda_stoikov, institution, arbitrageur"
FEES = "maker_bps, maker_per_share, taker_bps, taker_per_share"
LINK = "base_us, drop, jitter, scale_us, shape"
LATENCIES = "colo, cross_country_fibre, cross_country_microwave, geo, leo, metro, none, retail"
KEYS = (
    "agents, books, capacity, description, fundamentals, latencies, learners, name, opening, replay, session, tick_size"
)


def message_of(*arguments):
    with pytest.raises(ScenarioError) as caught:
        load(*arguments)
    message = str(caught.value)
    assert "\n" not in message
    return message


def write(folder, text, name="market.yaml"):
    path = folder / name
    path.write_text(text)
    return path


# ---------------------------------------------------------------- sources


def test_scenario_without_overrides_is_returned_itself():
    scenario = Scenario(name="mine")
    assert load(scenario) is scenario


def test_file_mapping_and_scenario_of_one_content_give_equal_scenarios(tmp_path):
    path = write(tmp_path, "name: small\nsession: {duration_s: 60}\nagents: {crowd: {kind: noise, count: 5}}\n")
    values = {"name": "small", "session": {"duration_s": 60}, "agents": {"crowd": {"kind": "noise", "count": 5}}}
    assert load(path) == load(str(path)) == load(values) == load(Scenario.model_validate(values), {})


def test_base_is_the_preset_that_a_file_changes(tmp_path):
    path = write(tmp_path, "base: calm\nname: busier\nagents: {retail: {count: 80}}\n")
    assert load(path) == load("calm", {"name": "busier", "agents.retail.count": 80})


def test_base_that_is_a_file_is_found_beside_the_file_that_names_it(tmp_path):
    write(tmp_path, "session: {duration_s: 60}\n", "below.yaml")
    path = write(tmp_path, "base: below.yaml\nname: above\n")
    assert load(path) == Scenario.model_validate({"name": "above", "session": {"duration_s": 60}})


# ---------------------------------------------------------------- overrides


def test_dotted_and_nested_overrides_give_equal_scenarios():
    dotted = load("calm", {"agents.retail.count": 60, "session.duration_s": 30})
    nested = load("calm", {"agents": {"retail": {"count": 60}}, "session": {"duration_s": 30}})
    assert dotted == nested
    assert dotted.agents["retail"].count == 60
    assert dotted.agents["retail"].mean_interval_s == load("calm").agents["retail"].mean_interval_s


def test_override_reaches_into_a_list_by_index():
    scenario = load("two_venues", {"books.1.fees.taker_per_share": 0.003})
    assert [book.fees.taker_per_share for book in scenario.books] == [0.0, 0.003]


def test_override_of_the_one_book_that_nobody_wrote_down_is_accepted():
    assert load({}, {"books.0.halts.band_ticks": 40}).books[0].halts.band_ticks == 40


def test_group_of_another_kind_replaces_the_group_and_its_settings():
    scenario = load("calm", {"agents.noise": {"kind": "retail", "count": 2}})
    assert (
        scenario.agents["noise"].model_dump()
        == load({"agents.n": {"kind": "retail", "count": 2}}).agents["n"].model_dump()
    )


def test_overrides_leave_their_source_as_it_was():
    scenario, before = load("calm"), load("calm")
    values = {"session": {"duration_s": 5}}
    load(scenario, {"session.duration_s": 7})
    load(values, {"session.duration_s": 7})
    assert scenario == before
    assert values == {"session": {"duration_s": 5}}


# ---------------------------------------------------------------- what is wrong


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"foo": 1}, f"foo: unknown key; allowed are {KEYS}"),
        ({"sesion.duration_s": 1}, f"sesion: unknown key, did you mean session?; allowed are {KEYS}"),
        ({"books.0.fees.maker": 1}, f"books.0.fees.maker: unknown key, did you mean maker_bps?; allowed are {FEES}"),
        (
            {"latencies.slow": {"order_entry": {"base_ms": 3}}},
            f"latencies.slow.order_entry.base_ms: unknown key, did you mean base_us?; allowed are {LINK} (and 3 more)",
        ),
        (
            {"session.duration_s": "10min"},
            "session.duration_s: must be a number of seconds >= 1e-06 and <= 1000000, got '10min'",
        ),
        (
            {"session.duration_s": -1},
            "session.duration_s: must be a number of seconds >= 1e-06 and <= 1000000, got -1",
        ),
        ({"tick_size": float("nan")}, "tick_size: must be a number >= 1e-08 and <= 10000, got nan"),
        ({"capacity.orders": 1.5}, "capacity.orders: must be a whole number >= 16 and <= 1048576, got 1.5"),
        ({"capacity.orders": 4}, "capacity.orders: must be a whole number >= 16 and <= 1048576, got 4"),
        ({"capacity.ladder_ticks": 1000}, "capacity: ladder_ticks must be a power of two, got 1000"),
        ({"books": []}, "books: must be a list of at least 1 entries, got []"),
        ({"books.3.name": "x"}, "books.3: must be an index from 0 to 0"),
        ({"learners.maker": 3}, "learners.maker: must be a mapping of keys to values, got 3"),
        ({"learners.maker.latency": "metroo"}, f"learners.maker.latency: 'metroo' is not one of {LATENCIES}"),
        (
            {"agents.retail.marketable_share": 2},
            "agents.retail.marketable_share: must be a number >= 0 and <= 1, got 2",
        ),
        ({"agents.new": {"count": 3}}, f"agents.new: kind is missing; it must be one of {KINDS}"),
        (
            {"agents.retail.kind": "retial"},
            f"agents.retail: kind must be one of {KINDS}, got 'retial', did you mean retail?",
        ),
        (
            {"agents.institutions.styles": ["twop"]},
            "agents.institutions.styles.0: must be one of 'twap', 'vwap', 'pov' or 'iceberg', got 'twop'",
        ),
        ({"agents.momentum.short_window": 60}, "agents.momentum: short_window must be below long_window (10), got 60"),
        (
            {"agents.retail.latency_by_venue": {"moon": "metro"}},
            "agents.retail.latency_by_venue: 'moon' is not one of main",
        ),
    ],
)
def test_message_about_an_override_names_key_value_and_what_is_allowed(overrides, message):
    assert message_of("calm", overrides) == f"overrides: {message}"


def test_message_about_an_unknown_key_of_traders_lists_the_keys_of_their_kind():
    message = message_of({"agents": {"crowd": {"kind": "retail", "cuont": 3}}})
    assert message.startswith("mapping: agents.crowd.cuont: unknown key, did you mean count?; allowed are books, ")
    assert "slippage_ticks" in message
    assert "at_far_touch" not in message


def test_message_names_the_file_that_a_value_came_from_and_not_its_base(tmp_path):
    path = write(tmp_path, "base: calm\nagents: {retail: {count: many}}\n")
    assert message_of(path) == f"{path}: agents.retail.count: must be a whole number >= 0 and <= 1000000, got 'many'"


def test_message_names_the_file_and_not_the_overrides_that_are_right(tmp_path):
    path = write(tmp_path, "session: {duration_s: 0}\n")
    message = message_of(path, {"session.warm_up_s": 1})
    assert message == f"{path}: session.duration_s: must be a number of seconds >= 1e-06 and <= 1000000, got 0"


def test_unknown_preset_is_named_with_those_there_are():
    names = ", ".join(presets())
    expected = f"scenario 'clam' is unknown: did you mean calm? presets are {names}; a file's name ends in .yaml"
    assert message_of("clam") == expected


def test_missing_file_is_named(tmp_path):
    assert message_of(tmp_path / "none.yaml") == f"{tmp_path / 'none.yaml'}: no such file"


def test_broken_yaml_is_named_with_its_line(tmp_path):
    path = write(tmp_path, "name: a\nsession: [1, 2\n")
    assert message_of(path) == f"{path}:3: not valid YAML: expected ',' or ']', but got '<stream end>'"


def test_key_that_stands_twice_is_refused_with_its_line(tmp_path):
    path = write(tmp_path, "session:\n  duration_s: 1\n  duration_s: 2\n")
    assert message_of(path) == f"{path}:3: not valid YAML: key 'duration_s' stands twice"


def test_text_that_is_not_utf_8_is_refused(tmp_path):
    path = tmp_path / "market.yaml"
    path.write_bytes(b"name: \xff\n")
    assert message_of(path).startswith(f"{path}: not valid YAML: ")


@pytest.mark.parametrize("text", ["", "# nothing but a comment\n"])
def test_empty_file_is_refused(tmp_path, text):
    path = write(tmp_path, text)
    assert message_of(path) == f"{path}: the file is empty; it must hold at least one key of a scenario"


def test_file_that_holds_no_mapping_is_refused(tmp_path):
    path = write(tmp_path, "- a\n- b\n")
    assert message_of(path) == f"{path}: must hold a mapping of keys to values, got list"


def test_base_that_leads_back_is_refused(tmp_path):
    first = write(tmp_path, "base: second.yaml\n", "first.yaml")
    write(tmp_path, "base: first.yaml\n", "second.yaml")
    assert message_of(first) == f"{first}: base: second.yaml leads back to {first}"


def test_base_that_is_no_name_is_refused():
    assert message_of({"base": 3}) == "mapping: base must be a preset's name or a YAML file, got 3"


def test_source_of_another_type_is_refused():
    assert message_of(3) == "scenario must be a preset's name, a YAML file, a mapping or a Scenario, got int"


# ---------------------------------------------------------------- identity


@pytest.mark.parametrize("name", sorted(path.stem for path in PRESET_FOLDER.glob("*.yaml")))
def test_yaml_of_a_preset_loads_to_the_same_scenario_and_hash(name, tmp_path):
    scenario = load(name)
    again = load(write(tmp_path, to_yaml(scenario)))
    assert again == scenario
    assert scenario_hash(again) == scenario_hash(scenario)


@pytest.mark.parametrize("field", ["agents", "fundamentals", "latencies"])
def test_mappings_of_a_scenario_cannot_be_changed(field):
    link = {"base_us": 1}
    mapping = getattr(load("calm", {"latencies.own": {"order_entry": link, "report": link, "feed": link}}), field)
    key = next(iter(mapping))
    for change in (
        lambda: mapping.__setitem__(key, mapping[key]),
        lambda: mapping.__delitem__(key),
        lambda: mapping.pop(key),
        lambda: mapping.update({key: mapping[key]}),
        lambda: mapping.__ior__({key: mapping[key]}),
        mapping.clear,
        mapping.popitem,
        lambda: mapping.setdefault("new", mapping[key]),
    ):
        with pytest.raises(TypeError, match="cannot be changed"):
            change()
    with pytest.raises(TypeError, match="cannot be changed"):
        load("calm").agents["retail"].latency_by_venue["main"] = "metro"


def test_equal_scenarios_have_equal_hashes_and_others_do_not():
    calm = load("calm")
    assert hash(calm) == hash(load(Scenario.model_validate(calm.model_dump()))) == hash(load(to_mapping(calm)))
    assert list(dict.fromkeys([calm, load("calm"), load("volatile")])) == [calm, load("volatile")]
    reordered = load(to_mapping(calm) | {"agents": dict(reversed(list(to_mapping(calm)["agents"].items())))})
    assert reordered == calm
    assert hash(reordered) == hash(calm)
    assert calm != load(calm, {"agents.retail.count": 41})


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda scenario: pickle.loads(pickle.dumps(scenario))])
def test_copy_of_a_scenario_is_equal_and_as_frozen(copied):
    calm = load("calm")
    again = copied(calm)
    assert again == calm
    assert hash(again) == hash(calm)
    with pytest.raises(TypeError, match="cannot be changed"):
        again.agents.clear()


def to_mapping(scenario):
    return scenario.model_dump(mode="json")


def test_hash_says_whether_two_markets_are_the_same():
    calm = load("calm")
    assert scenario_hash(load(calm, {"name": "else", "description": "another"})) == scenario_hash(calm)
    changed = [{"session.duration_s": 601}, {"agents.retail.count": 41}, {"books.0.fees.maker_per_share": -0.002}]
    hashes = {scenario_hash(load(calm, overrides)) for overrides in changed} | {scenario_hash(calm)}
    assert len(hashes) == 4
    assert all(len(digits) == 16 and int(digits, 16) >= 0 for digits in hashes)
