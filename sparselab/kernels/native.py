"""Kernels that compiled code calls by their address.

A function that numba inlines or links is optimised again in every function above it. These are compiled once, each by itself, and
only those whose address a run asks for: of one tile width, one loss, one kind of data.
"""

import inspect
import threading

from llvmlite import ir
from numba import types
from numba.core.ccallback import CFunc
from numba.extending import intrinsic

from . import cache
from .settings import JIT, OPTIONS


def native(signature):
    """A decorator: the function as a Native of this numba signature."""
    return lambda function: Native(function, signature)


class Native:
    """A function for one signature, compiled, or loaded from the cache, when its address is first asked for."""

    def __init__(self, function, signature):
        if len(signature.args) != len(inspect.signature(function).parameters):
            raise TypeError(f"{function.__qualname__}: the signature has {len(signature.args)} arguments")
        self.function, self.signature = function, signature
        self._address, self._lock = 0, threading.Lock()

    @property
    def address(self):
        """Where the compiled code is, for the function that `caller` makes of the same signature."""
        with self._lock:
            if not self._address:
                self._address = self._compiled().address
            return self._address

    def _compiled(self):
        options = OPTIONS | {"nopython": True}
        made = CFunc(self.function, (self.signature.args, self.signature.return_type), {}, options)
        cache.cached(made, self.function)
        made.compile()
        return made


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
