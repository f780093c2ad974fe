"""Straight-line machine code for the sparse linear algebra of one model.

For the few rows of a typical model, loops over row pointers cost more than the arithmetic. Here every
nonzero becomes an instruction with its position built in; matrices of sensitivities (rows padded to a
multiple of `WIDTH`) are worked through in vectors of that width. All functions have the signature ``void
f(double *a, double *b, double *c, i64 width)``. Above `LARGEST` operations nothing is generated and the
kernels use their loops.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from idfit.model.codegen import float_text
from idfit.numerics.blocks import WIDTH
from idfit.numerics.rosenbrock import BLOCK_DENSE, BLOCK_NEW, BLOCK_S, BLOCK_V, DENSE, A, C
from idfit.numerics.sparse import SMALLEST_PIVOT

LARGEST = 1500
_ARGUMENTS = (
    "(ptr noalias nocapture %a, ptr noalias nocapture readonly %b, ptr noalias nocapture readonly %c, "
    "i64 %width)"
)
_VECTOR = f"<{WIDTH} x double>"
Rows = Sequence[Sequence[int]]


class _Lines:
    def __init__(self) -> None:
        self.text: list[str] = []
        self._scalars: dict[tuple[str, int], str] = {}
        self._vectors: dict[tuple[str, int], str] = {}

    def new(self, instruction: str) -> str:
        name = f"%v{len(self.text)}"
        self.text.append(f"  {name} = {instruction}")
        return name

    def scalar(self, array: str, index: int) -> str:
        """The number array[index], loaded once."""
        if (array, index) not in self._scalars:
            pointer = self.new(f"getelementptr double, ptr {array}, i64 {index}")
            self._scalars[array, index] = self.new(f"load double, ptr {pointer}")
        return self._scalars[array, index]

    def spread(self, array: str, index: int) -> str:
        """array[index] in every lane of a vector."""
        if (array, index) not in self._vectors:
            one = self.new(f"insertelement {_VECTOR} undef, double {self.scalar(array, index)}, i32 0")
            lanes = f"<{WIDTH} x i32> zeroinitializer"
            self._vectors[array, index] = self.new(f"shufflevector {_VECTOR} {one}, {_VECTOR} undef, {lanes}")
        return self._vectors[array, index]

    def row(self, array: str, index: int) -> str:
        """Pointer to this block of columns of a row."""
        start = self.new(f"mul i64 %width, {index}")
        offset = self.new(f"add i64 {start}, %at")
        return self.new(f"getelementptr double, ptr {array}, i64 {offset}")

    def multiply_add(self, kind: str, a: str, b: str, c: str) -> str:
        suffix = "f64" if kind == "double" else f"v{WIDTH}f64"
        return self.new(f"call {kind} @llvm.fmuladd.{suffix}({kind} {a}, {kind} {b}, {kind} {c})")


_DECLARATIONS = (
    "declare double @llvm.fmuladd.f64(double, double, double)",
    f"declare {_VECTOR} @llvm.fmuladd.v{WIDTH}f64({_VECTOR}, {_VECTOR}, {_VECTOR})",
    "declare double @llvm.fabs.f64(double)",
    "declare double @llvm.maxnum.f64(double, double)",
)


def sparse_functions(jacobian: Rows, second: Rows, factors: Rows) -> tuple[dict[str, str], tuple[str, ...]]:
    """Name -> text of the functions, and the declarations they need; for a large model the sums only.

    stage_sums_i : a holds the blocks of the integrator's sensitivities, b the inverse step; the argument
    S + Σ a V goes to the block of the new S, Σ (c/h) V to that of the stage. dense_sums : the blocks of the
    dense output. Both with the length of a block as width.

    jacobian_product, second_product : a += B·c, with B's nonzeros in b, a and c with rows of sensitivities.
    factorise : a holds W on the pattern of its factors and one more number, which tells whether all pivots
    were large enough; the factors take W's place, with inverse pivots on the diagonal.
    solve, solve_columns : solve with these factors (in b) in place (a), for a vector and for rows of
    sensitivities.
    """
    elimination = _elimination(factors)
    size = sum(map(len, jacobian)) + sum(map(len, second)) + 2 * sum(map(len, factors)) + len(elimination)
    sums = _stage_sums()
    if size > LARGEST or not factors:
        return sums, _DECLARATIONS
    return sums | {
        "jacobian_product": _block_loop("jacobian_product", _product(jacobian)),
        "second_product": _block_loop("second_product", _product(second)),
        "factorise": _straight("factorise", _factorise(factors, elimination)),
        "solve": _straight("solve", _solve(factors, "double")),
        "solve_columns": _block_loop("solve_columns", _solve(factors, _VECTOR)),
    }, _DECLARATIONS


def _stage_sums() -> dict[str, str]:
    functions = {}
    for stage in range(8):
        lines = _Lines()
        values = [_loaded(lines, BLOCK_V + k) for k in range(stage)]
        base = _loaded(lines, BLOCK_S if stage < 6 else BLOCK_NEW)
        weights = A[stage] if stage < 6 else [0.0] * (stage - 1) + [1.0]
        argument = _weighted_sum(lines, weights, values, base)
        lines.text.append(f"  store {_VECTOR} {argument}, ptr {_block(lines, BLOCK_NEW)}, align 8")
        total = _weighted_sum(lines, C[stage], values, "zeroinitializer")
        scaled = lines.new(f"fmul {_VECTOR} {total}, {lines.spread('%b', 0)}")
        lines.text.append(f"  store {_VECTOR} {scaled}, ptr {_block(lines, BLOCK_V + stage)}, align 8")
        functions[f"stage_sums_{stage}"] = _block_loop(f"stage_sums_{stage}", lines)
    lines = _Lines()
    values = [_loaded(lines, BLOCK_V + k) for k in range(8)]
    for k, weights in enumerate(DENSE):
        total = _weighted_sum(lines, weights, values, "zeroinitializer")
        lines.text.append(f"  store {_VECTOR} {total}, ptr {_block(lines, BLOCK_DENSE + k)}, align 8")
    return functions | {"dense_sums": _block_loop("dense_sums", lines)}


def _block(lines: _Lines, block: int) -> str:
    """Pointer to these columns of a block; a block is `width` long."""
    return lines.row("%a", block)


def _loaded(lines: _Lines, block: int) -> str:
    return lines.new(f"load {_VECTOR}, ptr {_block(lines, block)}, align 8")


def _weighted_sum(lines: _Lines, weights: Iterable[float], values: Sequence[str], start: str) -> str:
    total = start
    for weight, value in zip(weights, values, strict=False):
        if weight:
            constant = f"<{', '.join([f'double {float_text(float(weight))}'] * WIDTH)}>"
            total = lines.multiply_add(_VECTOR, constant, value, total)
    return total


def _straight(name: str, lines: _Lines) -> str:
    return f"define void @{name}{_ARGUMENTS} {{\n" + "\n".join(lines.text) + "\n  ret void\n}\n"


def _block_loop(name: str, lines: _Lines) -> str:
    body = "\n".join(lines.text)
    return f"""define void @{name}{_ARGUMENTS} {{
entry:
  %any = icmp sgt i64 %width, 0
  br i1 %any, label %block, label %done
block:
  %at = phi i64 [ 0, %entry ], [ %next, %block ]
{body}
  %next = add i64 %at, {WIDTH}
  %more = icmp slt i64 %next, %width
  br i1 %more, label %block, label %done
done:
  ret void
}}
"""


def _positions(rows: Rows) -> dict[tuple[int, int], int]:
    entries = [(i, j) for i, row in enumerate(rows) for j in row]
    return {entry: e for e, entry in enumerate(entries)}


def _product(rows: Rows) -> _Lines:
    lines, e = _Lines(), 0
    sources: dict[int, str] = {}
    for i, row in enumerate(rows):
        if not row:
            continue
        target = lines.row("%a", i)
        total = lines.new(f"load {_VECTOR}, ptr {target}, align 8")
        for j in row:
            if j not in sources:
                sources[j] = lines.new(f"load {_VECTOR}, ptr {lines.row('%c', j)}, align 8")
            total = lines.multiply_add(_VECTOR, lines.spread("%b", e), sources[j], total)
            e += 1
        lines.text.append(f"  store {_VECTOR} {total}, ptr {target}, align 8")
    return lines


def _elimination(factors: Rows) -> list[tuple[int, int, int]]:
    """The updates (i, k, j) of the factorisation: entry ij loses (entry ik / pivot k)·entry kj."""
    upper = [[j for j in row if j > i] for i, row in enumerate(factors)]
    return [(i, k, j) for i, row in enumerate(factors) for k in row if k < i for j in upper[k]]


def _factorise(factors: Rows, elimination: list[tuple[int, int, int]]) -> _Lines:
    lines = _Lines()
    position = _positions(factors)
    value = {entry: lines.scalar("%a", e) for entry, e in position.items()}
    inverse: dict[int, str] = {}
    good = "true"
    updates: dict[int, dict[int, list[int]]] = {}
    for i, k, j in elimination:
        updates.setdefault(i, {}).setdefault(k, []).append(j)
    for i, row in enumerate(factors):
        for k in (k for k in row if k < i):
            factor = lines.new(f"fmul double {value[i, k]}, {inverse[k]}")
            value[i, k] = factor
            if updates.get(i, {}).get(k):
                negative = lines.new(f"fneg double {factor}")
                for j in updates[i][k]:
                    value[i, j] = lines.multiply_add("double", negative, value[k, j], value[i, j])
        pivot = lines.new(f"call double @llvm.fabs.f64(double {value[i, i]})")
        largest = pivot
        for j in (j for j in row if j > i):
            size = lines.new(f"call double @llvm.fabs.f64(double {value[i, j]})")
            largest = lines.new(f"call double @llvm.maxnum.f64(double {largest}, double {size})")
        limit = lines.new(f"fmul double {largest}, {float_text(SMALLEST_PIVOT)}")
        large = lines.new(f"fcmp ogt double {pivot}, {limit}")
        good = lines.new(f"and i1 {good}, {large}")
        inverse[i] = value[i, i] = lines.new(f"fdiv double 1.0, {value[i, i]}")
    for entry, e in position.items():
        pointer = lines.new(f"getelementptr double, ptr %a, i64 {e}")
        lines.text.append(f"  store double {value[entry]}, ptr {pointer}")
    flag = lines.new(f"uitofp i1 {good} to double")
    pointer = lines.new(f"getelementptr double, ptr %a, i64 {len(position)}")
    lines.text.append(f"  store double {flag}, ptr {pointer}")
    return lines


def _solve(factors: Rows, kind: str) -> _Lines:
    lines = _Lines()
    position = _positions(factors)
    n = len(factors)

    def entry(i: int, j: int) -> str:
        return lines.scalar("%b", position[i, j]) if kind == "double" else lines.spread("%b", position[i, j])

    places, value = [], []
    for i in range(n):
        place = (
            lines.new(f"getelementptr double, ptr %a, i64 {i}") if kind == "double" else lines.row("%a", i)
        )
        places.append(place)
        value.append(lines.new(f"load {kind}, ptr {place}, align 8"))

    def without(i: int, j: int) -> str:
        product = lines.new(f"fneg {kind} {value[j]}")
        return lines.multiply_add(kind, entry(i, j), product, value[i])

    for i in range(n):
        for j in (j for j in factors[i] if j < i):
            value[i] = without(i, j)
    for i in reversed(range(n)):
        for j in (j for j in factors[i] if j > i):
            value[i] = without(i, j)
        value[i] = lines.new(f"fmul {kind} {value[i]}, {entry(i, i)}")
        lines.text.append(f"  store {kind} {value[i]}, ptr {places[i]}, align 8")
    return lines
