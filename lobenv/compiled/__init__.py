"""The one decorator through which every function of the package is compiled, and where its machine code is cached.

Kernels are compiled without reference counting (`_nrt=False`): handing tuples of arrays from kernel to kernel then
costs nothing, and a kernel that tries to allocate memory does not compile, which is the rule the market is built on.
The option has no public documentation, so it is named here and nowhere else; tests hold its results to those of plain
Python.

Numba's own cache looks only at the file of a kernel, not at the files of the kernels it calls. The cache folder is
therefore keyed by a hash of all sources of the package and of the versions that shape the machine code.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar, overload

import llvmlite
import numba
import numpy as np

from lobenv.compiled.parts import EntryCompiler, part

F = TypeVar("F", bound=Callable[..., Any])

JIT_ENABLED = not numba.config.DISABLE_JIT  # pyright: ignore[reportAttributeAccessIssue]
KEPT_CACHE_FOLDERS = 4  # older ones are removed, so that the cache does not grow with every edit

if not JIT_ENABLED:
    # Plain Python runs the same integer hashing on NumPy scalars, where wrapping around is meant and would warn.
    np.seterr(over="ignore")


def _sources_key() -> str:
    """Hash of every source file of the package and of everything else that decides the machine code."""
    root = Path(__file__).parent.parent
    digest = hashlib.blake2b(digest_size=10)
    for path in sorted(root.rglob("*.py")):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    settings = (numba.__version__, llvmlite.__version__, np.__version__, sys.version, numba.config.BOUNDSCHECK)  # pyright: ignore[reportAttributeAccessIssue]
    digest.update(repr(settings).encode())
    return digest.hexdigest()


def _cache_base() -> Path:
    """`LOBENV_CACHE_DIR` if set, else the user's cache folder."""
    chosen = os.environ.get("LOBENV_CACHE_DIR")
    if chosen:
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "lobenv"


CACHE_FOLDER = _cache_base() / _sources_key()


@contextmanager
def _package_cache() -> Iterator[None]:
    """Point Numba at the package's cache folder while a kernel is being declared, and back again."""
    before = numba.config.CACHE_DIR  # pyright: ignore[reportAttributeAccessIssue]
    numba.config.CACHE_DIR = str(CACHE_FOLDER)  # pyright: ignore[reportAttributeAccessIssue]
    try:
        yield
    finally:
        numba.config.CACHE_DIR = before  # pyright: ignore[reportAttributeAccessIssue]


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

    def compile_function(plain: F) -> F:
        options: dict[str, Any] = {"_nrt": False, "nogil": True, "error_model": "numpy"}
        if not entry:
            return part(plain, **options)
        with _package_cache():
            return numba.njit(cache=True, pipeline_class=EntryCompiler, **options)(plain)  # pyright: ignore[reportReturnType]

    return compile_function(function) if function is not None else compile_function


def _is_cold() -> bool:
    return JIT_ENABLED and not any(CACHE_FOLDER.rglob("*.nbc"))


_announce_lock = threading.Lock()
_announced = False


@contextmanager
def announced_compilation(seconds: int = 60) -> Iterator[None]:
    """Say once on stderr that the market is being compiled, when nothing is cached yet, and how long it took."""
    global _announced
    with _announce_lock:
        cold = not _announced and _is_cold()
        _announced = True
    if not cold:
        yield
        return
    _remove_old_cache_folders()
    print(f"lobenv: compiling the market, once, about {seconds} s", file=sys.stderr, flush=True)
    started = time.perf_counter()
    yield
    print(f"lobenv: compiled in {time.perf_counter() - started:.0f} s", file=sys.stderr, flush=True)


def _remove_old_cache_folders() -> None:
    base = CACHE_FOLDER.parent
    if not base.is_dir():
        return
    folders = sorted((p for p in base.iterdir() if p.is_dir()), key=lambda p: p.stat().st_mtime, reverse=True)
    for folder in folders[KEPT_CACHE_FOLDERS:]:
        shutil.rmtree(folder, ignore_errors=True)
