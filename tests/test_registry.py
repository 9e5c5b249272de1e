"""Things that are chosen by name: built in, added by a call, or named as an entry point of an installed package."""

from __future__ import annotations

import pytest

from lobenv.registry import RegistrationError, Registry, did_you_mean

GROUP = "lobenv.test_numbers"


def _is_whole(name: str, entry: object) -> None:
    if not isinstance(entry, int):
        raise TypeError(f"it must be a whole number, got {entry!r}")


@pytest.fixture
def numbers() -> Registry[int]:
    return Registry("number", GROUP, {"two": 2, "one": 1}, _is_whole)


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Install a package by the files that pip would leave, and put its folder on the path."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(package: str, points: str, **modules: str) -> None:
        info = tmp_path / f"{package}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[{GROUP}]\n{points}\n")
        for name, source in modules.items():
            (tmp_path / f"{name}.py").write_text(source)

    return write


def refusal(action, *arguments) -> str:
    with pytest.raises(RegistrationError) as caught:
        action(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_is_built_in_comes_first_in_its_order_and_the_rest_by_name(numbers):
    numbers.add("ten", 10, "b")
    numbers.add("nine", 9, "a")
    assert list(numbers.entries().items()) == [("two", 2), ("one", 1), ("nine", 9), ("ten", 10)]
    assert numbers.find("nine") == 9


def test_the_same_entry_again_changes_nothing_and_another_of_its_name_is_refused(numbers):
    numbers.add("ten", 10, "a")
    numbers.add("ten", 10, "b")
    assert refusal(numbers.add, "ten", 11, "b") == "number 'ten' of b cannot be added: a has one of that name already"
    assert (
        refusal(numbers.add, "one", 3, "b") == "number 'one' of b cannot be added: lobenv has one of that name already"
    )
    assert numbers.entries() == {"two": 2, "one": 1, "ten": 10}


def test_an_entry_that_is_not_what_it_should_be_is_refused(numbers):
    line = refusal(numbers.add, "ten", "10", "a")
    assert line == "number 'ten' of a cannot be added: it must be a whole number, got '10'"
    assert "ten" not in numbers.entries()


@pytest.mark.parametrize(("name", "end"), [("too", "'too', did you mean two?"), ("nil", "'nil'"), (3, "3"), ([], "[]")])
def test_a_name_that_there_is_not_is_told_what_there_is(numbers, name, end):
    with pytest.raises(ValueError, match="must be one of two, one") as caught:
        numbers.find(name)
    assert str(caught.value) == f"must be one of two, one, got {end}"


def test_after_it_was_closed_only_what_is_there_can_be_added(numbers):
    numbers.close("it is evening")
    numbers.add("one", 1, "a")
    assert refusal(numbers.add, "ten", 10, "a") == "number 'ten' of a cannot be added: it is evening"


def test_an_entry_point_is_loaded_when_somebody_first_looks(numbers, install):
    install("ten-package", "ten = ten_module:TEN", ten_module="TEN = 10")
    assert numbers.entries()["ten"] == 10


@pytest.mark.parametrize(
    ("points", "source", "message"),
    [
        ("ten = gone:TEN", "", "entry point gone:TEN cannot be loaded: ModuleNotFoundError: No module named 'gone'"),
        (
            "ten = bad_module:TEN",
            "raise SystemError('two\\nlines')",
            "entry point bad_module:TEN cannot be loaded: SystemError: two lines",
        ),
        ("ten = odd_module:TEN", "TEN = 'x'", "it must be a whole number, got 'x'"),
        ("one = eleven_module:TEN", "TEN = 11", "lobenv has one of that name already"),
    ],
)
def test_an_entry_point_that_cannot_be_added_names_its_package_each_time(numbers, install, points, source, message):
    module = points.split(" = ")[1].split(":")[0]
    install("a-package", points, **({} if module == "gone" else {module: source}))
    name = points.split(" = ")[0]
    for _ in range(2):
        assert refusal(numbers.entries) == f"number {name!r} of a-package cannot be added: {message}"


def test_two_packages_that_name_one_thing_differently_are_both_named(numbers, install):
    install("a-package", "ten = a_module:TEN", a_module="TEN = 10")
    install("b-package", "ten = b_module:TEN", b_module="TEN = 11")
    assert refusal(numbers.entries) in (
        "number 'ten' of b-package cannot be added: a-package has one of that name already",
        "number 'ten' of a-package cannot be added: b-package has one of that name already",
    )


def test_a_guess_is_made_only_where_a_word_is_near():
    assert did_you_mean("retial", ["noise", "retail"]) == ", did you mean retail?"
    assert did_you_mean("x", ["noise", "retail"]) == ""
