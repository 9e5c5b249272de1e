"""The folder of machine code: what is not ours stays in it, and what somebody else may have put there is not read."""

from __future__ import annotations

import os
import pickle
import pwd
import tempfile
import time
from pathlib import Path

import pytest

from lobenv.compiled import store
from tests.compiled.package import ROOT

BODY = b"machine code" * 100
NOBODY = 54_321
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")


@pytest.fixture
def named(tmp_path, monkeypatch):
    """The folder that `LOBENV_CACHE_DIR` names; the temporary folder is another one."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    monkeypatch.setenv("LOBENV_CACHE_DIR", str(tmp_path / "named"))
    return tmp_path / "named"


@pytest.fixture
def own(named):
    """Our folder below the one that is named, with one file in it."""
    store.write("kept", BODY)
    assert store.read("kept") == BODY
    return named / store.OWN_FOLDER


@pytest.fixture
def temporary(named, tmp_path):
    """Our folder among the temporary ones, with one file in it, where the named one cannot be written."""
    named.write_text("a file in the way")
    store.write("kept", BODY)
    assert store.read("kept") == BODY
    return tmp_path / "tmp" / f"{store.OWN_FOLDER}-{os.geteuid()}"


def said(capsys):
    """Lines on stderr since it was last asked."""
    return capsys.readouterr().err.splitlines()


def contents(folder):
    """Everything below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


# ---------------------------------------------------------------- what is not ours


def test_a_named_folder_loses_nothing_however_much_is_in_it(named, monkeypatch):
    monkeypatch.setattr(store, "KEPT_BYTES", 0)  # as strict as can be
    for i in range(30):
        (named / f"my_data_{i}").mkdir(parents=True)
        (named / f"my_data_{i}" / "precious.csv").write_text(str(i))
        (named / f"{i}{store.SUFFIX}").write_text("named like ours")
    own = named / store.OWN_FOLDER
    own.mkdir()
    (own / f"theirs{store.SUFFIX}").write_text("named like ours, in our folder")
    (own / f"theirs{store.PART}").write_text("the same")
    (own / f"folder{store.SUFFIX}").mkdir()
    (own / "notes.txt").write_text("nothing of ours")
    old = time.time() - 1e6
    for file in own.iterdir():
        os.utime(file, (old, old))
    before = contents(named)
    for i in range(5):
        store.write(f"kernel-{i}", BODY)
    after = contents(named)
    assert {path: after.get(path) for path in before} == before
    assert set(after) - set(before) == set()  # all of ours were one too many


def test_what_was_used_last_is_kept(own, monkeypatch):
    monkeypatch.setattr(store, "KEPT_BYTES", 2 * (own / f"kept{store.SUFFIX}").stat().st_size)
    store.write("unused", BODY)
    for age, name in ((300, "kept"), (200, "unused")):
        moment = time.time() - age
        os.utime(own / (name + store.SUFFIX), (moment, moment))
    assert store.read("kept") == BODY
    store.write("new", BODY)
    assert {name for name in ("kept", "unused", "new") if store.read(name) == BODY} == {"kept", "new"}


def test_a_file_that_nobody_finished_goes_once_it_is_old(own):
    old, recent = own / f"old{store.PART}", own / f"recent{store.PART}"
    for part in (old, recent):
        part.write_bytes(store.MARK[:9])
    os.utime(old, (0, 0))
    store.write("another", BODY)
    assert not old.exists()
    assert recent.exists()


def test_home_and_relative_folders_are_where_the_user_means_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for named, place in (("~/machine code", "home/machine code"), ("beside", "beside")):
        monkeypatch.setenv("LOBENV_CACHE_DIR", named)
        store.write("kept", BODY)
        assert (tmp_path / place / store.OWN_FOLDER / f"kept{store.SUFFIX}").is_file()
    assert {path.name for path in tmp_path.iterdir()} == {"home", "beside"}


def test_without_a_name_it_is_the_cache_folder_of_the_user(tmp_path, monkeypatch):
    monkeypatch.delenv("LOBENV_CACHE_DIR", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    store.write("kept", BODY)
    assert [path.name for path in (tmp_path / ".cache" / store.OWN_FOLDER).iterdir()] == [f"kept{store.SUFFIX}"]


# ---------------------------------------------------------------- what goes wrong


def flipped(place):
    """Flip one bit at a place between the first byte and the last, 0 and 1."""

    def flip(content):
        at = int(place * (len(content) - 1))
        return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]

    return flip


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[:10],
        lambda content: content[:-1],
        lambda content: content + b"\0",
        lambda content: pickle.dumps({"somebody": "else's"}),
        *(flipped(place) for place in (0.0, 0.005, 0.02, 0.5, 1.0)),
    ],
)
def test_a_damaged_file_is_named_not_taken_and_replaced(own, capsys, damage):
    file = own / f"kept{store.SUFFIX}"
    file.write_bytes(damage(file.read_bytes()))
    said(capsys)
    assert store.read("kept") is None
    assert said(capsys) == [f"lobenv: {file} is damaged and not used"]
    store.write("kept", BODY)
    assert store.read("kept") == BODY
    assert said(capsys) == []


def test_a_file_under_another_name_is_damaged(own):
    (own / f"kept{store.SUFFIX}").rename(own / f"other{store.SUFFIX}")
    assert store.read("other") is None


def test_where_nothing_can_be_kept_one_line_says_so(named, capsys, monkeypatch):
    named.write_text("a file in the way")
    monkeypatch.setattr(tempfile, "tempdir", "/proc/nothing")
    store.write("kept", BODY)
    (line,) = said(capsys)
    assert "is not kept" in line
    assert str(named) in line
    assert store.read("kept") is None


def test_without_a_home_or_a_temporary_folder_it_is_not_kept(monkeypatch, capsys):
    def unknown(user):
        raise KeyError(user)

    def none():
        raise FileNotFoundError("no usable temporary directory")

    for name in ("LOBENV_CACHE_DIR", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    monkeypatch.setattr(tempfile, "gettempdir", none)
    store.write("kept", BODY)
    assert len(said(capsys)) == 1
    assert store.read("kept") is None


def test_a_stderr_that_is_closed_stops_nothing(named, monkeypatch):
    named.write_text("a file in the way")
    stream = Path(os.devnull).open("w")  # noqa: SIM115 - it is closed, which is the point
    stream.close()
    for stderr in (stream, None):
        monkeypatch.setattr("sys.stderr", stderr)
        store.write("kept", BODY)


# ---------------------------------------------------------------- who can have put it there


@pytest.mark.parametrize("place", ["own", "temporary"])
@pytest.mark.parametrize("mode", [0o777, 0o770, 0o1777])
def test_a_folder_that_others_can_write_in_is_neither_read_nor_written(request, place, mode):
    folder = request.getfixturevalue(place)
    folder.chmod(mode)
    before = contents(folder)
    assert store.read("kept") is None
    store.write("another", BODY)
    assert contents(folder) == before


def test_a_file_that_others_can_write_is_not_read(own):
    (own / f"kept{store.SUFFIX}").chmod(0o666)
    assert store.read("kept") is None


@AS_ROOT
@pytest.mark.parametrize("place", ["own", "temporary"])
def test_a_folder_of_somebody_else_is_neither_read_nor_written(request, place):
    folder = request.getfixturevalue(place)
    os.chown(folder, NOBODY, NOBODY)
    before = contents(folder)
    assert store.read("kept") is None
    store.write("another", BODY)
    assert contents(folder) == before


@AS_ROOT
def test_a_file_of_somebody_else_is_not_read(own):
    os.chown(own / f"kept{store.SUFFIX}", NOBODY, NOBODY)
    assert store.read("kept") is None


@AS_ROOT
def test_a_link_that_somebody_else_has_laid_is_not_followed(temporary, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    temporary.rename(elsewhere)
    temporary.symlink_to(elsewhere)
    assert store.read("kept") == BODY  # our own link is ours
    os.chown(temporary, NOBODY, NOBODY, follow_symlinks=False)
    before = contents(elsewhere)
    assert store.read("kept") is None
    store.write("another", BODY)
    assert contents(elsewhere) == before


def test_folder_and_files_are_for_the_user_alone_whatever_the_umask(named):
    before = os.umask(0)
    try:
        store.write("kept", BODY)
    finally:
        os.umask(before)
    own = named / store.OWN_FOLDER
    assert own.stat().st_mode & 0o777 == 0o700
    assert (own / f"kept{store.SUFFIX}").stat().st_mode & 0o777 == 0o600


def test_nothing_in_the_package_lets_numba_keep_machine_code_by_itself():
    sources = [file for folder in ("lobenv", "policies", "evaluate", "train") for file in (ROOT / folder).rglob("*.py")]
    assert [file for file in sources if "cache=True" in file.read_text()] == []
