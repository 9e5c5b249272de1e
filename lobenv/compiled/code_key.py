"""What a kernel is, as a key: the code and the constants of the kernel and of all that it calls, and nothing else.

Numba's own cache looks at the file of an entry alone, by its path and date: it misses an edit of a part, and takes an
equal checkout elsewhere for another program. Here a kernel is known by what decides its machine code. A comment, a
docstring, a file that no kernel uses or the folder it all lies in make no difference; a constant in a table of
settings, or a trader of the user's own package, does.
"""

from __future__ import annotations

import dis
import enum
import hashlib
import sys
import types
from collections.abc import Callable, Iterator
from functools import cache
from importlib import resources
from typing import Any

import llvmlite
import numba
import numpy as np

FOREIGN = ("numpy", "math", "numba", "builtins")  # their versions stand for them
KEY_BYTES = 12
# Of `numba.config`: what else decides machine code; the processor is in the name of the file
CONFIG = ("BOUNDSCHECK", "OPT", "LOOP_VECTORIZE", "SLP_VECTORIZE", "USING_SVML", "DEBUGINFO_DEFAULT")
COMPILER = ("__init__.py", "parts.py")  # of this package: they decide how kernels are compiled
LOADS_LITERAL = frozenset(dis.hasconst)


def code_key(function: Callable[..., Any]) -> str:
    """24 hexadecimal digits that change when the machine code of an entry kernel may.

    Args:
        function: The plain function.

    Raises:
        TypeError: It uses a global of a kind whose value cannot be told.
    """
    digest = hashlib.blake2b(_compiler(), digest_size=KEY_BYTES)
    seen: set[int] = set()
    waiting = [function]
    while waiting:
        found = waiting.pop()
        if id(found) in seen:
            continue
        seen.add(id(found))
        digest.update(_own_code(found))
        for name, value in _globals_of(found):
            plain = getattr(value, "py_func", value)
            if isinstance(plain, types.FunctionType) and not _is_foreign(plain):
                options = sorted(getattr(value, "targetoptions", {}).items())
                digest.update(f"{name}={plain.__module__}.{plain.__qualname__}{options};".encode())
                waiting.append(plain)
            else:
                digest.update(f"{name}={_told(name, value)};".encode())
    return digest.hexdigest()


def _compiler() -> bytes:
    """Everything that decides machine code beside the kernels themselves."""
    versions = (numba.__version__, llvmlite.__version__, np.__version__, sys.version)
    settings = [str(getattr(numba.config, name, None)) for name in CONFIG]
    return repr((versions, settings)).encode() + _compiler_sources()


@cache
def _compiler_sources() -> bytes:
    here = resources.files(__package__ or "lobenv.compiled")
    return b"".join(here.joinpath(name).read_bytes() for name in COMPILER)


def _own_code(function: Callable[..., Any]) -> bytes:
    """Instructions, names, literals and defaults, without the docstring and without where it stands."""
    defaults = (*(function.__defaults__ or ()), *sorted((function.__kwdefaults__ or {}).items()))
    return f"{_code(function.__code__)}{_told('default', defaults)};".encode()


def _code(code: types.CodeType) -> str:
    names = (code.co_name, code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
    counts = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags & 0b1100)
    return f"{names}{counts}{list(_instructions(code))}"


def _instructions(code: types.CodeType) -> Iterator[tuple[int, int | str]]:
    """Every instruction with its argument; a literal by its value, as its place moves when a docstring is added."""
    high = 0
    for operation, low in zip(code.co_code[::2], code.co_code[1::2], strict=True):
        argument = high | low
        high = argument << 8 if operation == dis.EXTENDED_ARG else 0
        yield operation, _told("literal", code.co_consts[argument]) if operation in LOADS_LITERAL else low


def _globals_of(function: Callable[..., Any]) -> Iterator[tuple[str, Any]]:
    """Name and value of everything that a function takes from outside, through modules too.

    Every name of the function is looked for in every module that it can reach: too much rather than too little.
    """
    names = sorted(_names_of(function.__code__))
    closure = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
    known = {name: function.__globals__[name] for name in names if name in function.__globals__}
    known |= {name: cell.cell_contents for name, cell in closure.items()}
    waiting = list(known.items())
    seen: set[int] = set()
    while waiting:
        place, value = waiting.pop(0)
        if not isinstance(value, types.ModuleType):
            yield place, value
        elif id(value) not in seen and value.__name__.partition(".")[0] not in FOREIGN:
            seen.add(id(value))
            # a module may make a name now, so that it is asked for it
            waiting += [(f"{place}.{name}", getattr(value, name)) for name in names if hasattr(value, name)]


def _names_of(code: types.CodeType) -> set[str]:
    """Names of globals and attributes, those of comprehensions and of functions inside included."""
    inner = (_names_of(literal) for literal in code.co_consts if isinstance(literal, types.CodeType))
    return set(code.co_names).union(*inner)


def _told(name: str, value: Any) -> str:
    """A value, in words that are the same in every process."""
    if isinstance(value, enum.Enum):
        return f"{type(value).__qualname__}.{value.name}={_told(name, value.value)}"
    if isinstance(value, bool | int | float | complex | str | bytes | type(None) | type(Ellipsis) | np.generic):
        return repr(value)
    if isinstance(value, tuple | list | frozenset):
        return f"{type(value).__name__}{getattr(value, '_fields', '')}({_members(name, value)})"
    if isinstance(value, types.CodeType):
        return _code(value)
    if isinstance(value, np.dtype):
        return f"{value!r}{value.itemsize}/{value.alignment}"
    if isinstance(value, np.ndarray):
        return f"{value.dtype!r}{value.shape}{hashlib.blake2b(value.tobytes(), digest_size=KEY_BYTES).hexdigest()}"
    if isinstance(value, type):
        members = _members(name, tuple(value)) if issubclass(value, enum.Enum) else getattr(value, "_fields", "")
        return f"{value.__module__}.{value.__qualname__}{members}"
    if _is_foreign(value):
        return f"{value.__module__}.{getattr(value, '__qualname__', value)}"
    raise TypeError(
        f"kernel global {name} must be a number, a string, a tuple, a dtype, an array or a kernel, got {value!r}"
    )


def _members(name: str, values: tuple[Any, ...] | list[Any] | frozenset[Any]) -> str:
    members = [_told(name, value) for value in values]
    return ",".join(sorted(members) if isinstance(values, frozenset) else members)


def _is_foreign(value: Any) -> bool:
    return callable(value) and (getattr(value, "__module__", None) or "").partition(".")[0] in FOREIGN
