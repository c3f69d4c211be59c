"""Kernels that are called by their address, from compiled code or from Python.

A function that numba inlines or links is optimised again in every function above it. These are compiled once, each by itself, and
only those that a run asks for: of one tile width, one loss, one kind of data.
"""

import inspect
import sys
import threading
from contextvars import ContextVar

from llvmlite import ir
from numba import types
from numba.core.ccallback import CFunc
from numba.extending import intrinsic

from . import cache
from .cache_files import say_once
from .linking import Compiler, uncollected
from .settings import JIT, OPTIONS

progress = ContextVar("progress", default=None)  # called with (number, of how many) before a kernel of a run is compiled


def native(signature):
    """A decorator: the function as a Native of this numba signature."""
    return lambda function: Native(function, signature)


class Native:
    """A function for one signature, compiled, or loaded from the cache, when it is first needed."""

    def __init__(self, function, signature):
        if len(signature.args) != len(inspect.signature(function).parameters):
            raise TypeError(f"{function.__qualname__}: the signature has {len(signature.args)} arguments")
        around = inspect.getclosurevars(function).nonlocals
        if others := [name for name, value in around.items() if not isinstance(value, int | float | type)]:
            raise TypeError(f"{function.__qualname__}: {others} of the function around it, which would not be found in the cache")
        self.function, self.signature = function, signature
        self._lock, self._compiler, self._called = threading.Lock(), None, None

    @property
    def address(self):
        """Where the compiled code is, for the function that `caller` makes of the same signature."""
        return self.compiled().address

    def __call__(self, *arguments):
        """Call it from Python, with numbers and addresses; the interpreter lock is released meanwhile."""
        if self._called is None:
            self._called = self.compiled().ctypes
        return self._called(*arguments)

    def compiled(self):
        """numba's CFunc, with an address."""
        with self._lock:
            compiler = self._with_cache()
            if compiler.address is None:
                compiler.compile()
            return compiler

    def is_at_hand(self):
        """Whether it is compiled, or in the cache."""
        with self._lock:
            compiler = self._with_cache()
            return compiler.address is not None or cache.holds(compiler, self.signature)

    def _with_cache(self):
        if self._compiler is None:
            options = OPTIONS | {"nopython": True}
            made = CFunc(self.function, (self.signature.args, self.signature.return_type), {}, options, Compiler)
            self._compiler = cache.cached(made, self.function)
        return self._compiler


def prepare(kernels):
    """Compile the Natives that a run will call. `progress`, else a terminal, is told the number of each one not in the cache."""
    tell = progress.get() or (write_progress if sys.stderr.isatty() else None)
    missing = [kernel for kernel in kernels if not kernel.is_at_hand()] if tell else []
    with uncollected():
        for kernel in kernels:
            if kernel in missing:
                tell(missing.index(kernel) + 1, len(missing))
            kernel.compiled()


def write_progress(number, total):
    """One line on stderr that counts."""
    say_once("compiling", "compiling kernels for this machine, once …")
    sys.stderr.write(f"\rsparselab: kernel {number} of {total}" + ("\n" if number == total else ""))
    sys.stderr.flush()


def caller(signature):
    """A function for compiled code: call(address, …) calls the Native of this signature that lies at the address."""

    @intrinsic
    def call(typing, address, *arguments):
        if len(arguments) != len(signature.args):
            raise TypeError(f"{len(arguments)} arguments for {signature}")
        packed = types.StarArgTuple(arguments)

        def codegen(context, builder, sig, args):
            pairs = enumerate(zip(packed.types, signature.args, strict=True))
            values = [context.cast(builder, builder.extract_value(args[1], i), have, wanted) for i, (have, wanted) in pairs]
            nothing = signature.return_type == types.void
            result = ir.VoidType() if nothing else context.get_value_type(signature.return_type)
            function = ir.FunctionType(result, [value.type for value in values]).as_pointer()
            found = builder.call(builder.inttoptr(args[0], function), values)
            return context.get_dummy_value() if nothing else found

        return signature.return_type(types.int64, packed), codegen

    return call if JIT else None
