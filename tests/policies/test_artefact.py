"""Artefacts of learned policies: written whole, read back equal, and refused in one line where they are broken."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from policies.artefact import CARD, SIDECAR, ArtefactError, read_file, read_sidecar, write_artefact
from policies.ppo import WEIGHTS
from policies.sidecar import Action, NetworkSidecar
from policies.tensors import read_tensors
from tests.policies.artefacts import common, network, safetensors, write_network, write_rule, write_trees

WRITERS = {"ppo": write_network, "gp": write_trees, "tuned": write_rule}
TENSORS = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.array([np.pi], np.float32)}


def rewrite(folder, change):
    """Apply a change to the sidecar's values."""
    path = folder / SIDECAR
    values = json.loads(path.read_text())
    change(values)
    path.write_text(json.dumps(values))


def refusal(action, *arguments):
    """The one line in which an artefact is refused."""
    with pytest.raises(ArtefactError) as caught:
        action(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def names(folder):
    """Of what is in a folder."""
    return sorted(path.name for path in folder.iterdir())


# ------------------------------------------------------------ sidecar


@pytest.mark.parametrize("family", WRITERS)
def test_a_sidecar_is_read_as_it_was_written(tmp_path, family):
    first = read_sidecar(WRITERS[family](tmp_path / "a"), family)
    assert first.name == "calm"
    assert first.metrics["calm"]["pnl"].mean == 0.1 + 0.2
    files = {name: (tmp_path / "a" / name).read_bytes() for name in first.files}
    write_artefact(tmp_path / "b", first, "", files)
    assert read_sidecar(tmp_path / "b", family) == first
    assert (tmp_path / "a" / SIDECAR).read_bytes() == (tmp_path / "b" / SIDECAR).read_bytes()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: v.update(activation="tanh"), "activation: unknown key"),
        (lambda v: v["action"].update(modes=1), "action.modes: unknown key, did you mean mode?"),
        (lambda v: v.update(format=3), "format: must be one of 2, got 3"),
        (lambda v: v.update(family="gp"), "family: must be one of 'ppo', got 'gp'"),
        (lambda v: v.pop("scenarios"), "scenarios: is missing"),
        (lambda v: v.update(order_size="100"), "order_size: must be a whole number > 0, got '100'"),
        (lambda v: v["scenarios"][0].update(hash="calm"), "scenarios.0.hash: must be "),
        (lambda v: v["observation"].append("inventory"), "observation must name each field once, got 'inventory'"),
        (lambda v: v["parameters"]["network"].update(activation="gelu"), "network.activation: must be one of 'tanh'"),
        (lambda v: v["parameters"]["network"].update(squash=None), "squash must be null for choices and only there"),
        (lambda v: v["parameters"]["normalisation"]["mean"].pop(), "mean must have one entry for each of 35 fields"),
        (lambda v: v["parameters"]["normalisation"].update(epsilon=float("nan")), "normalisation.epsilon: must be"),
        (
            lambda v: v["parameters"]["normalisation"]["variance"].__setitem__(3, -1.0),
            "variance.3: must be a number >= 0",
        ),
        (lambda v: v["action"].update(masked=True), "masked goes with mode 'discrete', got 'continuous'"),
    ],
)
def test_a_broken_sidecar_is_refused_naming_file_and_field(tmp_path, change, message):
    rewrite(write_network(tmp_path / "a"), change)
    line = refusal(read_sidecar, tmp_path / "a", "ppo")
    assert line.startswith(str(tmp_path / "a" / SIDECAR))
    assert message in line


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[1]", b"[" * 100_000])
def test_a_sidecar_that_is_no_mapping_in_json_is_refused(tmp_path, content):
    (write_network(tmp_path / "a") / SIDECAR).write_bytes(content)
    assert refusal(read_sidecar, tmp_path / "a", "ppo").startswith(str(tmp_path / "a" / SIDECAR))


def test_a_missing_sidecar_is_refused(tmp_path):
    assert refusal(read_sidecar, tmp_path, "ppo") == f"{tmp_path / SIDECAR}: cannot be read: No such file or directory"


def test_a_sidecar_is_checked_when_it_is_made_too():
    parameters = network(squash=None)
    with pytest.raises(ValidationError, match="squash must be null for choices"):
        NetworkSidecar(**common(), algorithm="ppo", observation=("spread",), action=Action(), parameters=parameters)


# ------------------------------------------------------------ writing


@pytest.mark.parametrize("family", WRITERS)
def test_a_value_that_was_altered_is_refused_in_one_line(tmp_path, family):
    folder = WRITERS[family](tmp_path / "a")
    rewrite(folder, lambda values: values.update(max_offset_ticks=21.0))
    assert refusal(read_sidecar, folder, family) == (
        f"{folder / SIDECAR}: was altered after it was written: its digest is not that of its content"
    )


def test_a_sidecar_of_the_format_before_is_refused_saying_how_to_write_it_anew(tmp_path):
    folder = write_network(tmp_path / "a")

    def age(values):
        del values["files"], values["digest"]
        values["format"] = 1

    rewrite(folder, age)
    assert refusal(read_sidecar, folder, "ppo") == (
        f"{folder / SIDECAR}: is a sidecar of format 1; this version reads format 2: write it anew by the command in "
        "its training.command"
    )


def test_a_file_that_the_sidecar_does_not_name_is_not_taken_for_the_policys(tmp_path):
    folder = write_rule(tmp_path / "a")
    (folder / WEIGHTS).write_bytes(safetensors(TENSORS))
    line = refusal(read_file, folder, WEIGHTS, read_sidecar(folder, "tuned"))
    assert line == f"{folder / WEIGHTS}: was altered after it was written: its digest is not the one in {SIDECAR}"


@given(st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_flipped_bits_of_a_network_are_refused_or_change_nothing(tmp_path, data):
    folder = write_network(tmp_path / "a")
    name = data.draw(st.sampled_from([SIDECAR, WEIGHTS]))
    content = bytearray((folder / name).read_bytes())
    place = data.draw(st.integers(0, 8 * len(content) - 1))
    content[place // 8] ^= 1 << place % 8
    (folder / name).write_bytes(content)
    whole = read_sidecar(write_network(tmp_path / "b"), "ppo")
    try:
        read = read_sidecar(folder, "ppo")
        tensors = read_tensors(folder / WEIGHTS)
        read_file(folder, WEIGHTS, read)
    except ArtefactError as error:
        assert "\n" not in str(error)  # noqa: PT017 (a flip may also change nothing)
        return
    assert read == whole
    for key, array in read_tensors(tmp_path / "b" / WEIGHTS).items():
        np.testing.assert_array_equal(array, tensors[key])


def test_an_artefact_replaces_the_one_that_was_there_and_leaves_nothing_else(tmp_path):
    write_network(tmp_path / "zoo" / "calm")
    (tmp_path / "zoo" / "calm" / "stray.txt").write_text("of the old one")
    write_rule(tmp_path / "zoo" / "calm")
    assert names(tmp_path / "zoo") == ["calm"]
    assert names(tmp_path / "zoo" / "calm") == [CARD, SIDECAR]


def test_a_write_that_fails_leaves_the_artefact_that_was_there(tmp_path):
    folder = write_rule(tmp_path / "calm")
    before = (folder / SIDECAR).read_bytes()
    with pytest.raises(TypeError):
        write_artefact(folder, read_sidecar(folder, "tuned"), "", {"x": None})  # pyright: ignore[reportArgumentType]
    assert names(tmp_path) == ["calm"]
    assert (folder / SIDECAR).read_bytes() == before


@pytest.mark.parametrize("name", [SIDECAR, CARD, "../x", "a/b", "", ".."])
def test_a_file_of_an_artefact_needs_a_plain_name_of_its_own(tmp_path, name):
    sidecar = read_sidecar(write_rule(tmp_path / "a"), "tuned")
    with pytest.raises(ValueError, match="files must have plain names other than"):
        write_artefact(tmp_path / "b", sidecar, "", {name: b""})
    assert not (tmp_path / "b").exists()


# ------------------------------------------------------------ tensors


def test_tensors_are_read_as_they_were_written(tmp_path):
    (tmp_path / "x").write_bytes(safetensors(TENSORS))
    read = read_tensors(tmp_path / "x")
    assert list(read) == list(TENSORS)
    for name, array in TENSORS.items():
        np.testing.assert_array_equal(read[name], array, strict=True)


def test_tensors_of_the_safetensors_package_are_read(tmp_path):
    save = pytest.importorskip("safetensors.numpy").save_file
    save(TENSORS, tmp_path / "x", metadata={"format": "pt"})
    for name, array in read_tensors(tmp_path / "x").items():
        np.testing.assert_array_equal(array, TENSORS[name], strict=True)


def test_a_file_cut_short_anywhere_is_refused(tmp_path):
    content, path = safetensors(TENSORS), tmp_path / "x"
    for size in range(len(content)):
        path.write_bytes(content[:size])
        assert refusal(read_tensors, path).startswith(f"{path}: ")


def header(text):
    return len(text).to_bytes(8, "little") + text


ENTRY = b'{"w": {"dtype": %s, "shape": %s, "data_offsets": %s}}'


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"not this kind of file", "cut short, or no safetensors file"),
        (header(b"{w}"), "its header is not valid JSON"),
        (header(b"[" * 100_000), "its header is not valid JSON"),
        (header(b"[1]"), "its header is no mapping"),
        (header(b'{"w": 3}'), "w: must be a mapping"),
        (header(b'{"w": {"dtype": "F32", "shape": [1]}}'), "w: data_offsets: is missing"),
        (header(ENTRY % (b'"F64"', b"[1]", b"[0, 8]")) + bytes(8), "w: dtype: must be one of 'F32', got 'F64'"),
        (header(ENTRY % (b'"F32"', b"[-1]", b"[0, 4]")) + bytes(4), "w: shape.0: must be a whole number >= 0, got -1"),
        (header(ENTRY % (b'"F32"', b"[2]", b"[0, 8]")) + bytes(4), "w: cut short: bytes 0 to 8 of 4"),
        (header(ENTRY % (b'"F32"', b"[1]", b"[4, 0]")) + bytes(4), "w: cut short: bytes 4 to 0 of 4"),
        (header(ENTRY % (b'"F32"', b"[2]", b"[0, 4]")) + bytes(4), "w: 4 bytes do not make a float32 array of shape"),
    ],
)
def test_a_broken_file_of_tensors_is_refused_naming_file_and_tensor(tmp_path, content, message):
    (tmp_path / "x").write_bytes(content)
    line = refusal(read_tensors, tmp_path / "x")
    assert line.startswith(f"{tmp_path / 'x'}: ")
    assert message in line
