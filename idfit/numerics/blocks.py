"""The one inner loop of the sensitivities: a row plus a combination of rows, four columns at a time.

Sensitivities of all states form matrices with short rows, stored with their length padded to a multiple of
`WIDTH`. Everything done with them (sparse products, triangular solves, sums of stages) is ``row_i =
scale·(row_i + factor· Σ_e coefficient_e·row_{column_e})``. The compiler cannot know that the rows do not
overlap, nor that they are padded; written out in vector instructions the loop is several times as fast.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from idfit.numerics.compilation import kernel

#: columns are padded to a multiple of this
WIDTH = 4
_VECTORS_AT_ONCE = 4  # share the loading of a coefficient


@kernel(inner=True)
def copy(target, source):
    """target[:] = source of one-dimensional arrays, which as a loop takes a fraction of the time to
    compile."""
    for i in range(source.shape[0]):
        target[i] = source[i]


@kernel(inner=True)
def padded(n_columns):
    """The number of columns that is stored for so many."""
    return (n_columns + WIDTH - 1) // WIDTH * WIDTH


def _combine(
    typing_context, target, offset, length, coefficients, columns, first, last, source, stride, factor, scale
):
    """``target[offset:offset+length] = scale·(… + factor·Σ_e coefficients[e]·source[columns[e]·stride :
    …+length])``.

    The sum goes over e in [first, last). All arrays are one-dimensional and contiguous; `length` is a
    multiple of `WIDTH`. target and source may be the same array if the rows differ.
    """
    integer, real = types.int64, types.float64
    signature = types.void(
        target, integer, integer, coefficients, columns, integer, integer, source, integer, real, real
    )

    def generate(context, builder, signature, values):
        def data(position):
            return context.make_array(signature.args[position])(context, builder, values[position]).data

        row, coefficient, column, rows = data(0), data(3), data(4), data(7)
        offset, length, first, last, stride, factor, scale = (values[k] for k in (1, 2, 5, 6, 8, 9, 10))
        double, index = ir.DoubleType(), ir.IntType(64)
        vector = ir.VectorType(double, WIDTH)
        lanes = ir.Constant(ir.VectorType(ir.IntType(32), WIDTH), [0] * WIDTH)

        def spread(value):
            one = builder.insert_element(
                ir.Constant(vector, ir.Undefined), value, ir.Constant(ir.IntType(32), 0)
            )
            return builder.shuffle_vector(one, one, lanes)

        def pointer(base, at):
            return builder.bitcast(builder.gep(base, [at]), vector.as_pointer())

        multiply_add = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(vector, [vector] * 3), f"llvm.fmuladd.v{WIDTH}f64"
        )
        scale_vector = spread(scale)

        def run(start, stop, n_vectors):
            """The loop over columns from start to stop, so many vectors at a time."""
            step = ir.Constant(index, n_vectors * WIDTH)
            with cgutils.for_range_slice(builder, start, stop, step, inc=True) as (at, _):
                shifts = [builder.add(at, ir.Constant(index, k * WIDTH)) for k in range(n_vectors)]
                places = [pointer(row, builder.add(offset, shift)) for shift in shifts]
                totals = [
                    cgutils.alloca_once_value(builder, builder.load(place, align=8)) for place in places
                ]
                with cgutils.for_range_slice(builder, first, last, ir.Constant(index, 1), inc=True) as (e, _):
                    weight = spread(builder.fmul(builder.load(builder.gep(coefficient, [e])), factor))
                    start_of_row = builder.mul(builder.load(builder.gep(column, [e])), stride)
                    for shift, total in zip(shifts, totals, strict=True):
                        other = builder.load(pointer(rows, builder.add(start_of_row, shift)), align=8)
                        builder.store(builder.call(multiply_add, [weight, other, builder.load(total)]), total)
                for place, total in zip(places, totals, strict=True):
                    builder.store(builder.fmul(builder.load(total), scale_vector), place, align=8)

        zero, group = ir.Constant(index, 0), ir.Constant(index, _VECTORS_AT_ONCE * WIDTH)
        whole = builder.mul(builder.sdiv(length, group), group)
        run(zero, whole, _VECTORS_AT_ONCE)
        run(whole, length, 1)
        return context.get_dummy_value()

    return signature, generate


combine: Any = intrinsic(_combine)
