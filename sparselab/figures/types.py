"""Types of the arguments that several figures share. They are strings, so that nothing is imported for them at run time."""

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    import pandas

    from ..checkpoints.records import EpochRecord
    from ..datasets import Dataset
    from ..nn.linear import SparseLinear
    from ..nn.mlp import SparseMLP
    from ..topology.topology import Topology

Model: TypeAlias = "SparseMLP"
Links: TypeAlias = "SparseMLP | SparseLinear | Topology"
Run: TypeAlias = "EpochRecord | Sequence[EpochRecord]"  # a History is a list of EpochRecords
Runs: TypeAlias = "Run | Sequence[Run] | Mapping[Any, Run | Sequence[Run]]"
Table: TypeAlias = "pandas.DataFrame"
Tables: TypeAlias = "pandas.DataFrame | Mapping[Any, pandas.DataFrame]"
DatasetName: TypeAlias = "Dataset | str | None"
