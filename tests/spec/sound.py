"""A small sound problem, which the tests break in one way each."""

from __future__ import annotations

MODEL = """\
idfit = 1
name = "decay"
time = "min"
[states]
A = { init = "A0", unit = "nM" }
B = { init = 0, unit = "nM" }
[reactions]
r = { eq = "A -> B", rate = "k*A" }
[parameters]
k = { value = 0.1, min = 1e-4, max = 1e2, scale = "log10" }
A0 = { value = 1, min = 0, max = 10 }
sd = { value = 0.1, min = 1e-3, max = 1, scale = "log10" }
[observables]
y = { formula = "A", noise = "sd", unit = "nM" }
z = { formula = "B", noise = "sd", unit = "nM" }
[conditions.control]
[conditions.treated]
set = { k = 0.2 }
"""

DATA = """\
condition,time,observable,value
control,0,y,1.0
control,1,y,0.9
treated,1,z,0.2
control,2,z,0.21
"""


def line_of(text: str, part: str) -> int:
    """The line (from 1) on which `part` first stands."""
    return text[: text.index(part)].count("\n") + 1
