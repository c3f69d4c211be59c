"""What compiled code calls is linked into it as LLVM IR, and becomes machine code there only.

numba's own dispatcher makes a library of every function that a kernel calls: optimised for itself, with wrappers for Python and
C, turned into machine code and cached, although nothing calls it there. That took more than half of the first training's time.
"""

from numba.core import compiler, types, typing
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler_lock import global_compiler_lock
from numba.core.registry import CPUDispatcher


class LinkedLibrary(JITCodeLibrary):
    """The IR of one function, which is optimised in the libraries it is linked into."""

    def add_linking_library(self, library):
        self._linking_libraries.append(library)

    def finalize(self):
        self._finalized = True


class LinkingDispatcher(CPUDispatcher):
    """numba's dispatcher, whose function is linked where compiled code calls it: once for int64 and constants alike."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self._linked = {}  # argument types: what was compiled of the function

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
        made = compiler.compile_extra(self.typingctx, self.targetctx, self.py_func, args, None, flags, {}, library)
        self.targetctx.insert_user_function((self, args), made.fndesc, [library, *library._linking_libraries])
        return made
