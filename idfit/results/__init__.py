"""The shape of results: which groups a study has, which variables stand in them, and what their codes mean.

Every result is an `xarray.Dataset` made by `dataset`, which refuses what the table `GROUPS` does not know. A
study is an `xarray.DataTree` of such groups. NaN (-1 for counts) means "not reached"; a status then says why.
"""

from idfit.results.codes import Agreement, BoundSide, Limit, SideStatus, Status, StructuralVerdict, Verdict
from idfit.results.datasets import GROUPS, SCHEMA_VERSION, dataset, sentences

__all__ = [
    "GROUPS",
    "SCHEMA_VERSION",
    "Agreement",
    "BoundSide",
    "Limit",
    "SideStatus",
    "Status",
    "StructuralVerdict",
    "Verdict",
    "dataset",
    "sentences",
]
