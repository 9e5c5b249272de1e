"""Compiles an entry kernel and the parts it calls as one program.

Numba optimises every compiled function together with all that it calls, emits machine code for it, and keeps it
callable from elsewhere. Here a part is lowered to LLVM's intermediate code and handed on; in the entry kernel that it
ends up in, all parts are made private, and the whole is optimised once. Three things are bought separately, and
`python -m evaluate.compile_time` measures each:

- Private parts, which the optimiser may strip of arguments and inline where they are called once: twice the speed.
- Parts without machine code of their own: half the time to compile.
- Integers handed over in 64 bits, so that a part is compiled once, not for every mixture of widths: half of it again.

This leans on names inside Numba that have no public documentation, so it stays in this file, and the versions of
Numba that the package accepts are bounded.
"""

from __future__ import annotations

from collections.abc import Callable
from types import MethodType
from typing import Any

import llvmlite.binding as llvm
import numba
from numba.core import types
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import AnalysisPass, register_pass
from numba.core.typed_passes import NopythonTypeInference
from numba.core.typing import make_concrete_template


class _Silent:
    """Stands for the code generator where a part would be given its environment, which only emitted code has."""

    def set_env(self, name: str, environment: object) -> None:
        """Nothing was emitted, so there is nothing to set."""


class _PartLibrary(JITCodeLibrary):
    """Holds the intermediate code of a part, neither optimised nor emitted."""

    def finalize(self) -> None:
        """Simplify this part alone, so that the entry kernel inlines small code, and only then link what it calls."""
        loops, level = self._codegen._loopvect, self._codegen._opt_level
        passes, builder = self._codegen._module_pass_manager(
            loop_vectorize=loops, slp_vectorize=False, opt=level, cost="cheap"
        )
        passes.run(self._final_module, builder)
        super().finalize()

    def _optimize_final_module(self) -> None:
        """Left to the entry kernel, once everything is linked."""

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._finalized = True

    def get_pointer_to_function(self, name: str) -> int:
        """No machine code, no address."""
        return 0

    @property
    def codegen(self) -> Any:
        """Without an effect on machine code."""
        return _Silent()


class _EntryLibrary(JITCodeLibrary):
    """Holds an entry kernel with its parts, which nothing outside can call."""

    def _optimize_final_module(self) -> None:
        """Make the parts private first: they are then inlined where called once, and lose unused arguments."""
        for function in self._final_module.functions:
            if not function.is_declaration and function.linkage == llvm.Linkage.linkonce_odr:
                function.linkage = "internal"
        super()._optimize_final_module()


class _ChooseLibrary(AnalysisPass):
    """Gives a function a library of ours before it is lowered."""

    library: type[JITCodeLibrary]

    def __init__(self) -> None:
        AnalysisPass.__init__(self)

    def run_pass(self, state: Any) -> bool:  # pyright: ignore[reportIncompatibleMethodOverride]
        state.library = self.library(state.targetctx.codegen(), state.func_id.func_qualname)
        state.library.enable_object_caching()
        return False


@register_pass(mutates_CFG=False, analysis_only=True)
class _ChoosePartLibrary(_ChooseLibrary):
    _name = "choose_part_library"
    library = _PartLibrary


@register_pass(mutates_CFG=False, analysis_only=True)
class _ChooseEntryLibrary(_ChooseLibrary):
    _name = "choose_entry_library"
    library = _EntryLibrary


class _Compiler(CompilerBase):
    """Numba's own pipeline with the one pass added."""

    choose_library: type[_ChooseLibrary]

    def define_pipelines(self) -> list[Any]:
        pipeline = DefaultPassBuilder.define_nopython_pipeline(self.state)
        pipeline.add_pass_after(self.choose_library, NopythonTypeInference)
        pipeline.finalize()
        return [pipeline]


class _PartCompiler(_Compiler):
    choose_library = _ChoosePartLibrary


class EntryCompiler(_Compiler):
    """Compiles an entry kernel with the parts it calls."""

    choose_library = _ChooseEntryLibrary


def _widened_template(dispatcher: Any, arguments: Any, keywords: Any) -> Any:
    """Type a call of a part: every signed integer is handed over in 64 bits.

    Table columns have 8 to 64 bits, and Numba would compile a part anew for every mixture that some caller has: two
    specialisations of a function on average, and twice the time.
    """
    python_signature, found = dispatcher._compiler.fold_argument_types(arguments, keywords)
    widened = tuple(_widened(argument) for argument in found)
    if dispatcher._can_compile:
        dispatcher.compile(widened)
    name = dispatcher.py_func.__name__
    template = make_concrete_template(f"CallTemplate({name})", key=name, signatures=dispatcher.nopython_signatures)
    return template, python_signature, widened, {}


def _widened(argument: Any) -> Any:
    plain = types.unliteral(argument)
    return types.int64 if plain in types.signed_domain else plain


def _keep_overload(dispatcher: Any, result: Any) -> None:
    """Make a compiled part known to other compiled functions, but not to calls from Python."""
    dispatcher.overloads[tuple(result.signature.args)] = result


def _run_plain(dispatcher: Any, *_arguments: Any) -> Any:
    """A part has no machine code of its own: called from Python it runs as the plain Python that it is."""
    return dispatcher.py_func  # which Numba then calls with the arguments


def part(plain: Callable[..., Any], **options: Any) -> Any:
    """Compile a function that only compiled functions call.

    Args:
        plain: The function.
        **options: Of `numba.njit`.

    Returns:
        Its dispatcher.
    """
    options |= {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    dispatcher: Any = numba.njit(pipeline_class=_PartCompiler, **options)(plain)
    dispatcher.add_overload = MethodType(_keep_overload, dispatcher)
    dispatcher.get_call_template = MethodType(_widened_template, dispatcher)
    dispatcher._compile_for_args = MethodType(_run_plain, dispatcher)
    return dispatcher
