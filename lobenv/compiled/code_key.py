"""What a kernel is, as a key: the code and the constants of the kernel and of all that it calls, and nothing else.

Numba's own cache looks at the file of an entry alone, by its path and date: it misses an edit of a part, and takes an
equal checkout elsewhere for another program. Here a kernel is known by what decides its machine code. A comment, a
docstring, a file that no kernel uses or the folder it all lies in make no difference; a constant in a table of
settings, or a trader of the user's own package, does.
"""

from __future__ import annotations

import hashlib
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

import llvmlite
import numba
import numpy as np

FOREIGN = ("numpy", "math", "numba", "builtins")  # their versions stand for them
KEY_BYTES = 12


def code_key(function: Callable[..., Any]) -> str:
    """24 hexadecimal digits that change when the machine code of an entry kernel may.

    Args:
        function: The plain function.

    Raises:
        TypeError: It uses a global of a kind whose value cannot be told.
    """
    settings = (numba.__version__, llvmlite.__version__, np.__version__, sys.version, numba.config.BOUNDSCHECK)  # pyright: ignore[reportAttributeAccessIssue]
    digest = hashlib.blake2b(repr(settings).encode(), digest_size=KEY_BYTES)
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
            if isinstance(plain, types.FunctionType):
                digest.update(f"{name}={plain.__module__}.{plain.__qualname__};".encode())
                waiting.append(plain)
            else:
                digest.update(f"{name}={_told(name, value)};".encode())
    return digest.hexdigest()


def _own_code(function: Callable[..., Any]) -> bytes:
    """Byte code, names and literals, without the docstring and without where it stands."""
    code = function.__code__
    literals = code.co_consts[1:] if function.__doc__ is not None else code.co_consts
    signature = (code.co_name, code.co_names, code.co_varnames, code.co_argcount, literals, function.__defaults__)
    return repr(signature).encode() + code.co_code


def _globals_of(function: Callable[..., Any]) -> Iterator[tuple[str, Any]]:
    """Name and value of everything that a function takes from outside, through modules too, in order of their names."""
    names = function.__code__.co_names
    closure = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
    known = {name: cell.cell_contents for name, cell in closure.items()}
    known |= {name: function.__globals__[name] for name in names if name in function.__globals__}
    modules = [(name, value) for name, value in known.items() if isinstance(value, types.ModuleType)]
    yield from sorted((name, value) for name, value in known.items() if not isinstance(value, types.ModuleType))
    while modules:
        place, module = modules.pop()
        if module.__name__.partition(".")[0] in FOREIGN:
            continue
        for name in names:
            value = getattr(module, name, None)  # a module may make it now
            if isinstance(value, types.ModuleType):
                if value is not module and not place.endswith(f".{name}"):
                    modules.append((f"{place}.{name}", value))
            elif value is not None:
                yield f"{place}.{name}", value


def _told(name: str, value: Any) -> str:
    """The value of a constant, in words that are the same in every process."""
    if isinstance(value, bool | int | float | str | bytes | type(None) | np.generic):
        return repr(value)
    if isinstance(value, tuple | list):
        return "(" + ",".join(_told(name, part) for part in value) + ")"
    if isinstance(value, np.dtype):
        return repr((value.descr, value.itemsize, value.alignment))
    if isinstance(value, np.ndarray):
        return f"{value.dtype.str}{value.shape}{hashlib.blake2b(value.tobytes(), digest_size=KEY_BYTES).hexdigest()}"
    if isinstance(value, type):
        return f"{value.__module__}.{value.__qualname__}{getattr(value, '_fields', '')}"
    if callable(value) and getattr(value, "__module__", "").partition(".")[0] in FOREIGN:
        return f"{value.__module__}.{getattr(value, '__qualname__', value)}"
    raise TypeError(
        f"kernel global {name} must be a number, a string, a tuple, a dtype, an array or a kernel, got {value!r}"
    )
