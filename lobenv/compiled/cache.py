"""Entry kernels: compiled as one program with their parts, announced while that takes long, and kept on disk.

This leans on names inside Numba that have no public documentation, as `parts` does.
"""

from __future__ import annotations

import gc
import hashlib
import pickle
import time
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
    """Compile for a signature, unless it is there already or on disk; say so while it takes long."""
    with _collector_paused():
        started = time.perf_counter()
        misses = dispatcher._cache.misses
        code = Dispatcher.compile(dispatcher, signature)
        if dispatcher._cache.misses > misses:
            store.tell(f"compiled in {time.perf_counter() - started:.0f} s")
    return code


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Without Python's cyclic collector, which walks what the compiler makes again and again: a tenth of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


class _EntryCache(NullCache):
    """Finds and keeps the machine code of one entry, by what the code says and for which processor it is."""

    def __init__(self, plain: Callable[..., Any]) -> None:
        self._plain = plain
        self.misses = 0

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        target_context.refresh()
        body = store.read(self._name(sig, target_context.codegen()))
        if body is not None:
            return CompileResult._rebuild(target_context, *pickle.loads(body))
        self.misses += 1
        store.tell(f"compiling {self._plain.__module__}.{self._plain.__name__}, once")
        return None

    def save_overload(self, sig: Any, data: Any) -> None:
        store.write(self._name(sig, data.codegen), dumps(data._reduce()))

    def _name(self, signature: Any, codegen: Any) -> str:
        told = f"{code_key(self._plain)} {signature} {codegen.magic_tuple()}"
        return f"{self._plain.__name__}-{hashlib.blake2b(told.encode(), digest_size=NAME_BYTES).hexdigest()}"
