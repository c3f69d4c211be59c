"""What compiled code calls is linked into it as LLVM IR, and becomes machine code there only.

numba's own dispatcher makes a library of every function that a kernel calls: optimised for itself, with wrappers for Python and
C, turned into machine code and cached, although nothing calls it there. That took a quarter of the first training's time.
"""

import contextlib
import gc
import uuid

from numba.core import compiler, types, typing
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler_lock import global_compiler_lock
from numba.core.registry import CPUDispatcher


@contextlib.contextmanager
def uncollected():
    """Without Python's garbage collector, which looks at everything that numba keeps, again and again, while it compiles."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


class Flags(compiler.Flags):
    """numba's options of a function, all of whose values it hashes whenever it looks for an overload: thousands of times.

    It asks with a copy of the options. Here that is one for all kernels, which have the same options, and hashed by identity.
    """

    shared = None
    __hash__ = object.__hash__

    def __eq__(self, other):
        return self is other

    def copy(self):
        if Flags.shared is None:
            Flags.shared = Flags(self)
        return Flags.shared


SKIPPED = {  # passes for closures, generators, array expressions, literals, … of which kernels have none
    "WithLifting", "InlineClosureLikes", "RewriteSemanticConstants", "RewriteDynamicRaises", "MakeFunctionToJitFunction",
    "FindLiterallyCalls", "LiteralUnroll", "LiteralPropagationSubPipelinePass", "InlineOverloads", "NopythonRewrites",
    "NoPythonSupportedFeatureValidation", "DumpParforDiagnostics",
}  # fmt: skip


class Compiler(compiler.Compiler):
    """numba's, with these Flags, without the passes SKIPPED, and with a name of its own for each function's machine code.

    numba numbers functions as they are compiled, so that two processes may give one name to different functions of one source
    line, such as the updates of two optimizers. Once both are in the cache, LLVM would call either by that name, whichever was
    loaded first.
    """

    def __init__(self, typing_context, target_context, library, args, return_type, flags, local_types):
        super().__init__(typing_context, target_context, library, args, return_type, Flags(flags), local_types)

    def _compile_bytecode(self):
        self.state.func_id.unique_id = uuid.uuid4().int
        return super()._compile_bytecode()

    def define_pipelines(self):
        pipelines = super().define_pipelines()
        for pipeline in pipelines:
            pipeline.passes[:] = [entry for entry in pipeline.passes if entry[0].__name__ not in SKIPPED]
        return pipelines


class LinkedLibrary(JITCodeLibrary):
    """The IR of one function, which is optimised in the libraries it is linked into."""

    def add_linking_library(self, library):
        self._linking_libraries.append(library)

    def finalize(self):
        self._finalized = True


class LinkingDispatcher(CPUDispatcher):
    """numba's dispatcher, whose function is linked where compiled code calls it: once for int64 and constants alike."""

    def __init__(self, py_func, locals=None, targetoptions=None, pipeline_class=Compiler):
        super().__init__(py_func, locals or {}, targetoptions or {}, pipeline_class)
        self._linked = {}  # argument types: what was compiled of the function

    def compile(self, sig):
        with uncollected():
            return super().compile(sig)

    def get_call_template(self, args, kws):
        """What numba's type inference asks for, as the dispatcher's own."""
        pysig, args = self.fold_argument_types(args, kws)
        args, name = tuple(map(types.unliteral, args)), self.py_func.__name__
        with global_compiler_lock:
            if args not in self._linked:
                self._linked[args] = self._compile_to_link(args)
        return typing.make_concrete_template(name, name, [self._linked[args].signature]), pysig, args, {}

    def get_overload(self, sig):
        """The key under which numba finds how to call the function."""
        return self, tuple(map(types.unliteral, sig))

    def _compile_to_link(self, args):
        flags = compiler.Flags()
        self.targetdescr.options.parse_as_flags(flags, self.targetoptions)
        flags.no_compile = flags.no_cpython_wrapper = flags.no_cfunc_wrapper = True
        library = LinkedLibrary(self.targetctx.codegen(), self.py_func.__qualname__)
        made = compiler.compile_extra(self.typingctx, self.targetctx, self.py_func, args, None, flags, {}, library, Compiler)
        self.targetctx.insert_user_function((self, args), made.fndesc, [library, *library._linking_libraries])
        return made
