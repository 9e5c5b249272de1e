"""Machine code on disk: found again by what the kernels say, and never in the way of a market."""

from __future__ import annotations

import os
import pickle
import resource
import shutil
import signal
import tempfile
from pathlib import Path

import pytest

from lobenv.compiled import JIT_ENABLED
from tests.compiled.package import ANNOUNCED, VALUE, Package, finish

pytestmark = pytest.mark.skipif(not JIT_ENABLED, reason="plain Python compiles and keeps nothing")

NOBODY = 54_321  # a user without a name or a home


@pytest.fixture
def package(tmp_path):
    return Package(tmp_path / "sources", tmp_path / "cache")


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """A package that was started once; only to be copied from."""
    folder = tmp_path_factory.mktemp("compiled")
    first = Package(folder / "sources", folder / "cache")
    assert first.start() == (VALUE, [ANNOUNCED])
    return first


@pytest.fixture
def started(compiled, package):
    """A package with machine code of its own."""
    shutil.copytree(compiled.cache, package.cache)
    return package


# ---------------------------------------------------------------- said once, compiled once


def test_a_program_is_announced_in_one_line_when_it_is_compiled_and_not_when_it_is_found(package):
    assert package.start() == (VALUE, [ANNOUNCED])
    assert package.start() == (VALUE, [])


def test_equal_sources_in_another_folder_use_the_same_file(started, tmp_path):
    again = Package(tmp_path / "elsewhere" / "checkout", started.cache)
    assert again.start() == (VALUE, [])
    assert len(started.kept()) == 1


def test_an_edit_that_changes_no_machine_code_compiles_nothing(started):
    started.edit("inner.py", "  # rounded down", "")
    started.edit("inner.py", "Half of it.", "What is left of it after one has taken the other half.")
    started.edit("parts.py", "def scaled(x):\n", 'def scaled(x):\n    """Said at last."""\n')
    started.edit("entry.py", "STEP = 5\n", "\n\n# moved down\nSTEP = 5\n")
    started.edit("settings.py", "UNUSED = 1", "UNUSED = 2")
    assert started.start() == (VALUE, [])


@pytest.mark.parametrize(
    ("file", "old", "new", "value"),
    [
        ("settings.py", "RATE = 3", "RATE = 4", 31),
        ("entry.py", "STEP = 5", "STEP = 6", 27),
        ("entry.py", "[1, 6]", "[1, 7]", 27),
        ("entry.py", "+ STEP", "- STEP", 16),
        ("parts.py", "half(x) *", "half(x) +", 19),
        ("inner.py", "x // 2", "x // 5", 17),
    ],
    ids=["setting", "constant", "table", "entry", "part", "part of a part"],
)
def test_after_an_edit_the_old_program_never_plays(started, file, old, new, value):
    started.edit(file, old, new)
    assert started.start() == (value, [ANNOUNCED])


def test_two_starts_at_once_compile_the_same_and_leave_one_whole_file(package):
    for start in [finish(process) for process in [package.begin(), package.begin()]]:
        assert start.value == VALUE
    assert len(package.kept()) == 1
    assert package.start() == (VALUE, [])


# ---------------------------------------------------------------- damaged


@pytest.mark.parametrize(
    "damage",
    [lambda content: content[: len(content) // 2], lambda content: pickle.dumps({"somebody": "else's"})],
    ids=["truncated", "foreign"],
)
def test_a_damaged_file_is_named_and_made_anew(started, damage):
    (file,) = started.kept()
    file.write_bytes(damage(file.read_bytes()))
    assert started.start() == (VALUE, [f"lobenv: {file} is damaged and not used", ANNOUNCED])
    assert started.start() == (VALUE, [])


def test_a_whole_file_that_holds_no_machine_code_is_told_and_made_anew(started):
    (file,) = started.kept()
    name = file.name.partition(".")[0]
    body = pickle.dumps("not a program")
    code = f"from lobenv.compiled import store; store.write({name!r}, {body!r}); print(0)"
    started.start("-c", code)
    value, said = started.start()
    assert value == VALUE
    assert said[0].startswith("lobenv: kept machine code of small.entry.total is not used: ")
    assert said[1:] == [ANNOUNCED]
    assert started.start() == (VALUE, [])


# ---------------------------------------------------------------- nowhere to keep it


@pytest.mark.parametrize("place", ["/proc/nothing", "a file"])
def test_where_the_folder_cannot_be_written_a_temporary_one_serves_and_is_named(package, tmp_path, place):
    (tmp_path / "a file").write_text("mine")
    package.cache = tmp_path / place  # an absolute path stays what it is
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    value, said = package.start(env={"TMPDIR": str(temporary)})
    assert value == VALUE
    assert said[0] == ANNOUNCED
    (line,) = said[1:]
    assert str(package.cache) in line
    assert str(temporary) in line
    assert (tmp_path / "a file").read_text() == "mine"
    assert package.start(env={"TMPDIR": str(temporary)}) == (VALUE, [])


def limit_file_size():
    """No file grows beyond 4 KiB, as on a disk that is full."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4_096, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))


def test_on_a_full_disk_the_program_runs_and_nothing_half_written_stays(package, tmp_path):
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    value, said = package.start(env={"TMPDIR": str(temporary)}, preexec_fn=limit_file_size)
    assert value == VALUE
    assert said[0] == ANNOUNCED
    (line,) = said[1:]
    assert line.startswith("lobenv: machine code is not kept, so that the next start compiles again: not in ")
    assert package.kept() == []
    assert package.kept(temporary) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes a user without a home")
def test_a_user_without_a_home_keeps_it_in_a_temporary_folder(package):
    shared = tempfile.mkdtemp()
    Path(shared).chmod(0o1777)
    code = (
        "import os, tempfile, numba\n"
        "from lobenv.compiled.code_key import code_key\n"
        "from small.entry import total\n"
        "numba.njit(lambda x: x + 1)(1); code_key(total.py_func)\n"  # that user may not read what is imported late
        "del os.environ['HOME'], os.environ['LOBENV_CACHE_DIR']\n"
        f"os.environ.pop('XDG_CACHE_HOME', None); os.setgid({NOBODY}); os.setuid({NOBODY}); os.chdir('/')\n"
        "print(total(10))"
    )
    try:
        value, said = package.start("-c", code, env={"TMPDIR": shared})
        own = Path(shared) / f"lobenv-kernels-{NOBODY}"
        assert value == VALUE
        assert said == [ANNOUNCED, f"lobenv: machine code is kept in {own}, as nobody knows the home folder"]
        assert package.start("-c", code, env={"TMPDIR": shared}) == (VALUE, [])
    finally:
        shutil.rmtree(shared)


# ---------------------------------------------------------------- plain Numba


def test_plain_numba_gives_the_same_loads_nothing_private_and_keeps_nothing(started):
    started.edit("inner.py", "x // 2", "x // 5")
    before = started.kept()
    code = (
        "import sys\nfrom small.entry import total\nprint(total(10))\n"
        "assert not {'lobenv.compiled.parts', 'lobenv.compiled.cache'} & set(sys.modules)"
    )
    value, said = started.start("-c", code, env={"LOBENV_PLAIN_NUMBA": "1"})
    assert value == 17
    assert len(said) == 1
    assert "LOBENV_PLAIN_NUMBA" in said[0]
    assert started.kept() == before
