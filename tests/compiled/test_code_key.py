"""The key of a kernel: what changes machine code changes it, and nothing else does."""

from __future__ import annotations

import types

import numba
import pytest

from lobenv.compiled import JIT_ENABLED, kernel
from lobenv.compiled.code_key import code_key

pytestmark = pytest.mark.skipif(not JIT_ENABLED, reason="plain Python has no machine code")

HEAD = "import enum\nimport math\nimport sys\nfrom typing import NamedTuple\nimport numba\nimport numpy as np\n"


def module(text, name="written"):
    """A module of some text."""
    made = types.ModuleType(name)
    exec(HEAD + text, vars(made))
    return made


def key(text):
    """The key of the function `f` of a module."""
    return code_key(module(text).f)


SAME = {
    "comment": ("def f(x):\n    return x + 1", "def f(x):\n    # why\n    return x + 1"),
    "docstring changed": ("def f(x):\n    'One.'\n    return x + 1", "def f(x):\n    'Two.'\n    return x + 1"),
    "docstring added": ("def f(x):\n    x[0] = 1", "def f(x):\n    'It.'\n    x[0] = 1"),
    "docstring where there are other constants": (
        "def f(x):\n    return x + 1.5 if x else 2",
        "def f(x):\n    'It.'\n    return x + 1.5 if x else 2",
    ),
    "moved": ("def f(x):\n    return x", "\n\nOTHER = 3\n\n\ndef f(x):\n    return x"),
    "unused constant": ("A, B = 1, 2\ndef f(x):\n    return x + A", "A, B = 1, 3\ndef f(x):\n    return x + A"),
    "annotation": ("def f(x):\n    return x", "def f(x: float) -> float:\n    return x"),
}

OTHER = {
    "code": ("def f(x):\n    return x + 1", "def f(x):\n    return x - 1"),
    "literal": ("def f(x):\n    return x + 1", "def f(x):\n    return x + 2"),
    "whole number or float": ("def f(x):\n    return x + 1", "def f(x):\n    return x + 1.0"),
    "sign of zero": ("def f(x):\n    return x + 0.0", "def f(x):\n    return x + -0.0"),
    "default": ("def f(x, y=1):\n    return x + y", "def f(x, y=2):\n    return x + y"),
    "keyword's default": ("def f(x, *, y=1):\n    return x + y", "def f(x, *, y=2):\n    return x + y"),
    "constant": ("A = 1\ndef f(x):\n    return x + A", "A = 2\ndef f(x):\n    return x + A"),
    "width of a constant": (
        "A = np.int8(1)\ndef f(x):\n    return x + A",
        "A = np.int16(1)\ndef f(x):\n    return x + A",
    ),
    "table": ("A = np.arange(3)\ndef f(x):\n    return A[x]", "A = np.arange(4)\ndef f(x):\n    return A[x]"),
    "shape": (
        "A = np.arange(6).reshape(2, 3)\ndef f(x):\n    return A[x]",
        "A = np.arange(6).reshape(3, 2)\ndef f(x):\n    return A[x]",
    ),
    "tuple": ("A = (1, (2, 3))\ndef f(x):\n    return A", "A = (1, (2, 4))\ndef f(x):\n    return A"),
    "names of a tuple": (
        "class C(NamedTuple):\n    a: int\n    b: int\nA = C(1, 2)\ndef f(x):\n    return A.a",
        "class C(NamedTuple):\n    b: int\n    a: int\nA = C(1, 2)\ndef f(x):\n    return A.a",
    ),
    "fields of a record": (
        "A = np.dtype([('a', 'i8'), ('b', 'i8')])\ndef f(x):\n    return x.view(A)",
        "A = np.dtype([('b', 'i8'), ('a', 'i8')])\ndef f(x):\n    return x.view(A)",
    ),
    "alignment of a record": (
        "A = np.dtype([('a', 'i1'), ('b', 'i8')])\ndef f(x):\n    return x.view(A)",
        "A = np.dtype([('a', 'i1'), ('b', 'i8')], align=True)\ndef f(x):\n    return x.view(A)",
    ),
    "member of an enumeration": (
        "class E(enum.IntEnum):\n    A = 1\ndef f(x):\n    return x + E.A",
        "class E(enum.IntEnum):\n    A = 2\ndef f(x):\n    return x + E.A",
    ),
    "constant from an enumeration": (
        "class E(enum.Enum):\n    A = 1\nA = E.A\ndef f(x):\n    return x == A",
        "class E(enum.Enum):\n    A = 2\nA = E.A\ndef f(x):\n    return x == A",
    ),
    "function from outside": (
        "def f(x):\n    return math.floor(x)",
        "def f(x):\n    return math.ceil(x)",
    ),
    "name of a function from outside": (
        "from math import floor as g\ndef f(x):\n    return g(x)",
        "from math import ceil as g\ndef f(x):\n    return g(x)",
    ),
    "called": (
        "def g(x):\n    return x + 1\ndef f(x):\n    return g(x)",
        "def g(x):\n    return x + 2\ndef f(x):\n    return g(x)",
    ),
    "options of what is called": (
        "@numba.njit\ndef g(x):\n    return x + 1\ndef f(x):\n    return g(x)",
        "@numba.njit(fastmath=True)\ndef g(x):\n    return x + 1\ndef f(x):\n    return g(x)",
    ),
    "what is called by what is called": (
        "def h(x):\n    return x\ndef g(x):\n    return h(x)\ndef f(x):\n    return g(x)",
        "def h(x):\n    return -x\ndef g(x):\n    return h(x)\ndef f(x):\n    return g(x)",
    ),
    "inside a function inside": (
        "def f(x):\n    def g(y):\n        return y + 1\n    return g(x)",
        "def f(x):\n    def g(y):\n        return y + 2\n    return g(x)",
    ),
    "used inside a function inside": (
        "A = 1\ndef f(x):\n    def g(y):\n        return y + A\n    return g(x)",
        "A = 2\ndef f(x):\n    def g(y):\n        return y + A\n    return g(x)",
    ),
    "taken from around": (
        "def make(a):\n    def f(x):\n        return x + a\n    return f\nf = make(1)",
        "def make(a):\n    def f(x):\n        return x + a\n    return f\nf = make(2)",
    ),
    "through a module": (
        "import types\nm = types.ModuleType('m')\nm.A = 1\ndef f(x):\n    return x + m.A",
        "import types\nm = types.ModuleType('m')\nm.A = 2\ndef f(x):\n    return x + m.A",
    ),
}


@pytest.mark.parametrize("texts", SAME.values(), ids=SAME)
def test_what_changes_no_machine_code_leaves_the_key(texts):
    before, after = texts
    assert key(before) == key(after)


@pytest.mark.parametrize("texts", OTHER.values(), ids=OTHER)
def test_what_changes_machine_code_changes_the_key(texts):
    before, after = texts
    assert key(before) != key(after)
    assert key(before) == key(before)


def test_modules_that_know_one_another_are_walked_once():
    inner, outer = module("A = 1", "inner"), module("def f(x):\n    return outer.inner.outer.inner.A + x", "outer")
    vars(inner)["outer"] = vars(outer)["outer"] = outer
    vars(outer)["inner"] = inner
    before = code_key(outer.f)
    vars(inner)["A"] = 2
    assert code_key(outer.f) != before


def test_settings_of_the_compiler_are_in_the_key(monkeypatch):
    before = key("def f(x):\n    return x")
    for name, value in (("BOUNDSCHECK", 2), ("OPT", 1)):
        with monkeypatch.context() as changed:
            changed.setattr(numba.config, name, value)
            assert key("def f(x):\n    return x") != before
    assert key("def f(x):\n    return x") == before


def test_a_constant_whose_value_cannot_be_told_is_named():
    with pytest.raises(TypeError, match="kernel global A must be"):
        key("A = object()\ndef f(x):\n    return A")


# ---------------------------------------------------------------- kernels that are compiled, but not kept


def lines(capsys):
    return capsys.readouterr().err.splitlines()


def test_a_kernel_whose_key_cannot_be_told_runs_all_the_same(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("LOBENV_CACHE_DIR", str(tmp_path))
    made = module("real = object()\ndef f(x):\n    return x.real + 1", __name__)
    assert kernel(entry=True)(made.f)(3) == 4
    first, second = lines(capsys)
    assert "is not kept: TypeError: kernel global real must be" in first
    assert "compiling" in second
    assert list(tmp_path.rglob("*.*")) == []


def test_a_program_that_holds_an_address_of_this_process_is_not_kept(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("LOBENV_CACHE_DIR", str(tmp_path))
    made = module("LARGE = np.arange(2_000_000)\ndef f(x):\n    return LARGE[x]", __name__)
    assert kernel(entry=True)(made.f)(3) == 3
    assert "is not kept: it holds the address" in lines(capsys)[-1]
    assert list(tmp_path.rglob("*.*")) == []
