"""Entry kernels: compiled as one program with their parts, announced as that takes long, and kept on disk.

This leans on names inside Numba that have no public documentation, as `parts` does.
"""

from __future__ import annotations

import gc
import hashlib
import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import MethodType
from typing import Any

import numba
from numba.core.caching import NullCache
from numba.core.compiler import CompileResult
from numba.core.dispatcher import Dispatcher
from numba.core.serialize import dumps

from lobenv.compiled import store
from lobenv.compiled.code_key import code_key
from lobenv.compiled.parts import EntryCompiler

NAME_BYTES = 12


def entry(plain: Callable[..., Any], **options: Any) -> Any:
    """Compile a function that is called from Python.

    Args:
        plain: The function.
        **options: Of `numba.njit`.
    """
    dispatcher: Any = numba.njit(pipeline_class=EntryCompiler, **options)(plain)
    dispatcher._cache = _EntryCache(plain)
    dispatcher.compile = MethodType(_compile, dispatcher)
    return dispatcher


def _compile(dispatcher: Any, signature: Any) -> Any:
    """Compile for a signature, unless it is there already or on disk."""
    with _collector_paused():
        return Dispatcher.compile(dispatcher, signature)


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Without the cyclic collector, which walks all that the compiler makes, again and again: a tenth of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


class _EntryCache(NullCache):
    """Finds and keeps the machine code of one entry, by what the code says and for which processor it is.

    Whatever goes wrong here costs a line and the time to compile: the market runs without.
    """

    def __init__(self, plain: Callable[..., Any]) -> None:
        self._plain = plain
        self._names: dict[Any, str] = {}  # of signatures that are being compiled: the code as it was when that began

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """The machine code for a signature, or None after saying that it is compiled now."""
        target_context.refresh()
        name = self._name(sig, target_context.codegen())
        body = store.read(name) if name else None
        if body is not None:
            try:
                return CompileResult._rebuild(target_context, *pickle.loads(body))
            except Exception as error:  # whatever a pickle or LLVM may raise
                store.tell(f"kept machine code of {self._title} is not used: {_first_line(error)}")
        if name:
            self._names[sig] = name
        store.tell(f"compiling {self._title}, once")
        return None

    def save_overload(self, sig: Any, cres: Any) -> None:
        """Keep the machine code for a signature."""
        name = self._names.pop(sig, None)
        if name is None:
            return  # said when it was looked for
        if cres.library.has_dynamic_globals:
            store.tell(f"machine code of {self._title} is not kept: it holds the address of a large global array")
            return
        try:
            body = dumps(cres._reduce())
        except Exception as error:  # whatever a constant's own pickling may raise
            store.tell(f"machine code of {self._title} is not kept: {_first_line(error)}")
            return
        store.write(name, body)

    @property
    def _title(self) -> str:
        return f"{self._plain.__module__}.{self._plain.__name__}"

    def _name(self, signature: Any, codegen: Any) -> str | None:
        """Under which name the machine code is kept, or None after saying why it cannot be."""
        try:
            told = f"{code_key(self._plain)} {signature} {codegen.magic_tuple()}"
        except Exception as error:  # a global that cannot be told, sources that cannot be read
            store.tell(f"machine code of {self._title} is not kept: {_first_line(error)}")
            return None
        return f"{self._plain.__name__}-{hashlib.blake2b(told.encode(), digest_size=NAME_BYTES).hexdigest()}"


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0]
