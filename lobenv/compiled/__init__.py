"""The one decorator through which every function of the package is compiled.

Kernels are compiled without reference counting (`_nrt=False`): handing tuples of arrays from kernel to kernel then
costs nothing, and a kernel that tries to allocate memory does not compile, which is the rule the market is built on.
Numba mentions the option in one docstring only, so it is named here and nowhere else; tests hold its results to those
of plain Python.

`LOBENV_PLAIN_NUMBA=1` switches off everything that Numba does not document, the private names of `parts` and `cache`:
entries are `njit` and parts `register_jitable`. The market is the same then, bit for bit; it is compiled anew in every
process, some three times as long, and runs at about half the speed.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeVar, overload

import numba
import numpy as np
from numba.extending import register_jitable

from lobenv.compiled import store

F = TypeVar("F", bound=Callable[..., Any])

JIT_ENABLED = not numba.config.DISABLE_JIT  # pyright: ignore[reportAttributeAccessIssue]
PLAIN_NUMBA = os.environ.get("LOBENV_PLAIN_NUMBA", "0") not in ("", "0")

if not JIT_ENABLED:
    # Plain Python runs the same integer hashing on NumPy scalars, where wrapping around is meant and would warn.
    np.seterr(over="ignore")
elif PLAIN_NUMBA:
    store.tell("LOBENV_PLAIN_NUMBA: every process compiles what it uses of the market anew, for a minute or two")


@overload
def kernel(function: F) -> F: ...
@overload
def kernel(*, entry: bool) -> Callable[[F], F]: ...
def kernel(function: F | None = None, *, entry: bool = False) -> F | Callable[[F], F]:
    """Compile a function for the market: no allocation, no reference counting, the interpreter's lock released.

    Args:
        function: The function, when used as a bare decorator: a part, which only other kernels can call.
        entry: It is called from Python. It is compiled as one with all the parts it calls, and kept on disk.

    Returns:
        The compiled function, or the function itself under `NUMBA_DISABLE_JIT=1`.
    """
    if function is None:
        return _compile_entry if entry else _compile_part
    return _compile_part(function)


def _compile_part(plain: F) -> F:
    return _compile(plain, is_entry=False)


def _compile_entry(plain: F) -> F:
    return _compile(plain, is_entry=True)


def _compile(plain: F, *, is_entry: bool) -> F:
    if not JIT_ENABLED:
        return plain
    options: dict[str, Any] = {"error_model": "numpy", "_nrt": False}
    if PLAIN_NUMBA:
        made: Any = numba.njit(nogil=True, **options) if is_entry else register_jitable(**options)
        return made(plain)
    from lobenv.compiled import cache, parts

    return (cache.entry if is_entry else parts.part)(plain, nogil=True, **options)
