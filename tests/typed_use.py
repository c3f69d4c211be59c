"""What a type checker must see through the lazily loaded names; `mypy` reads this file, nothing runs it."""

from typing import assert_type

import sparselab as sl

assert_type(sl.SparseMLP, type[sl.SparseMLP])
assert_type(sl.__version__, str)
print(sl.no_such_name)  # type: ignore[attr-defined]
