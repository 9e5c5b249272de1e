"""What the text of every kernel keeps to."""

from __future__ import annotations

import ast
from typing import TypeGuard

import pytest

from tests.compiled.package import ROOT

SOURCES = [file for folder in ("lobenv", "policies", "evaluate") for file in sorted((ROOT / folder).rglob("*.py"))]


def kernels(text):
    """The functions of a file that are declared as kernels."""
    functions = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef)]
    return [function for function in functions if any(is_kernel(decorator) for decorator in function.decorator_list)]


def is_kernel(decorator):
    named = decorator.func if isinstance(decorator, ast.Call) else decorator
    return isinstance(named, ast.Name) and named.id == "kernel"


def is_call(node, *names) -> TypeGuard[ast.Call]:
    return isinstance(node, ast.Call) and ast.unparse(node.func) in names


def floats_for_integers(function):
    """Lines of `math.floor` and `math.ceil` that no `int` makes a whole number."""
    whole = {id(node.args[0]) for node in ast.walk(function) if is_call(node, "int", "np.int64")}
    calls = [node for node in ast.walk(function) if is_call(node, "math.floor", "math.ceil", "np.floor", "np.ceil")]
    return [node.lineno for node in calls if id(node) not in whole]


def test_floor_and_ceil_are_made_whole_numbers_as_other_compilers_return_floats():
    found = {str(file.relative_to(ROOT)): floats_for_integers(f) for file in SOURCES for f in kernels(file.read_text())}
    assert {file: lines for file, lines in found.items() if lines} == {}


@pytest.mark.parametrize(
    ("text", "lines"), [("int(math.floor(x))", []), ("math.floor(x)", [3]), ("1 + math.ceil(x)", [3])]
)
def test_a_bare_floor_would_be_found(text, lines):
    (function,) = kernels(f"@kernel(entry=True)\ndef f(x):\n    return {text}\n")
    assert floats_for_integers(function) == lines
