"""Files that are wrong on purpose: each is refused at once, in one line that says what is wrong with it."""

from typing import Any

import pytest

from lobenv.scenario.loading import load
from lobenv.scenario.problems import ScenarioError
from lobenv.scenario.yaml_file import MOST_BYTES, check_extent


def levels(first, level):
    """YAML in which each of eleven anchors stands for nine of the one before it."""
    return f"a0: &a0 {first}\n" + "".join(f"a{i}: &a{i} {level(f'*a{i - 1}')}\n" for i in range(1, 12))


WRONG = {
    "list bomb": (levels("[x]", lambda below: f"[{', '.join([below] * 9)}]"), "at most 20000 values"),
    "mapping bomb": (
        levels("{x: 1}", lambda below: "{" + ", ".join(f"k{i}: {below}" for i in range(9)) + "}"),
        "at most 20000 values",
    ),
    "merge bomb": (levels("{x: 1}", lambda below: f"{{<<: [{', '.join([below] * 9)}]}}"), "at most 20000 values"),
    "deep list": ("a: " + "[" * 20_000 + "]" * 20_000, "at most 32 deep"),
    "list of 300 levels": ("a: " + "[" * 300 + "]" * 300, "at most 32 deep"),
    "deep mapping": ("\n".join(" " * depth + "a:" for depth in range(800)), "at most 32 deep"),
    "list in itself": ("agents: &a [*a]", "a value contains itself"),
    "mapping in itself": ("agents: &a {x: *a}", "a value contains itself"),
    "5,000 digits": ("tick_size: " + "9" * 5_000, r":1: .*cannot be read as int"),
    "sexagesimal digits": ("tick_size: " + "1:" * 100_000 + "1", r":1: .*cannot be read as int"),
    "390 digits": ("tick_size: " + "9" * 390, r"tick_size: must be a number >= 1e-08 and <= 10000, got 999"),
    "impossible date": ("name: 2026-13-45", ":1: .*'2026-13-45' cannot be read as timestamp"),
    "empty integer": ("name: !!int ''", ":1: .*cannot be read as int"),
    "no truth": ("name: !!bool maybe", ":1: .*'maybe' cannot be read as bool"),
    "Python object": ("name: !!python/object:os.system x", "could not determine a constructor"),
    "list as key": ("? [a, b]\n: 1", ":1: .*a key must be a word"),
    "number as key": ("1: 2", "a key must be a word"),
    "too many keys": ("agents:\n" + "".join(f"  k{i}: 1\n" for i in range(15_000)), "at most 20000 values"),
    "too long": ("name: |\n" + "  x\n" * (MOST_BYTES // 4), f"at most {MOST_BYTES} bytes"),
    "NUL": ("name: \0", "unacceptable character"),
    "base in another folder's words": ("base: ../market/market.yaml", "leads back to"),
    "base that no file can be": ('base: "a\\0b/c.yaml"', "no such file"),
}


@pytest.mark.parametrize(("text", "reason"), WRONG.values(), ids=WRONG)
def test_file_that_is_wrong_on_purpose_is_refused_in_one_line(tmp_path, text, reason):
    path = tmp_path / "market" / "market.yaml"
    path.parent.mkdir()
    path.write_text(text)
    with pytest.raises(ScenarioError, match=reason) as caught:
        load(path)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600


def test_bases_that_lead_back_through_a_link_are_refused(tmp_path):
    (tmp_path / "link.yaml").symlink_to(tmp_path / "market.yaml")
    (tmp_path / "market.yaml").write_text("base: link.yaml")
    with pytest.raises(ScenarioError, match=r"^[^\n]*leads back to[^\n]*$"):
        load(tmp_path / "market.yaml")


def test_long_chain_of_bases_is_refused(tmp_path):
    for i in range(40):
        (tmp_path / f"{i}.yaml").write_text(f"base: {i + 1}.yaml")
    (tmp_path / "40.yaml").write_text("name: last")
    with pytest.raises(ScenarioError, match="base: there must be at most 16"):
        load(tmp_path / "0.yaml")
    assert load(tmp_path / "30.yaml").name == "last"


def test_merge_key_stands_for_the_keys_of_another_mapping(tmp_path):
    path = tmp_path / "market.yaml"
    path.write_text("agents: {a: &few {kind: noise, count: 2}, b: {<<: *few, count: 3}}")
    groups = [group.model_dump() for group in load(path).agents.values()]
    assert [(group["kind"], group["count"]) for group in groups] == [("noise", 2), ("noise", 3)]


def _containing_itself():
    values = {}
    values["a"] = values
    return values


def _doubling():
    values = {"x": 1}
    for _ in range(25):
        values = {"a": values, "b": values}
    return values


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (_containing_itself(), "a value contains itself"),
        (_doubling(), "at most 20000 values"),
        ({"a." * 5_000 + "b": 1}, "at most 32 deep"),
        ({"a." * 20 + "b": {"a." * 20 + "b": 1}}, "at most 32 deep"),
    ],
    ids=["in itself", "bomb", "dots", "dots in dots"],
)
@pytest.mark.parametrize("where", ["mapping", "overrides"])
def test_mapping_that_is_wrong_on_purpose_is_refused_in_one_line(values, reason, where):
    arguments: Any = (values,) if where == "mapping" else ("calm", values)
    with pytest.raises(ScenarioError, match=rf"^{where}: [^\n]*{reason}[^\n]*$"):
        load(*arguments)


def test_one_value_at_many_places_is_counted_at_each():
    shared = [0] * 1_000
    check_extent([shared] * 19)
    with pytest.raises(ValueError, match="at most 20000 values"):
        check_extent([shared] * 20)
