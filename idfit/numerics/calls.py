"""Calling generated machine code by its address from inside a kernel."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic


def _call(typing_context, address, out, arguments):
    """``call(address, out, arguments)`` runs ``void f(double *out, const double *in)`` on two contiguous
    arrays.

    The owner of the code has to be alive: a dead address runs whatever lies there now.
    """
    signature = types.void(types.int64, out, arguments)

    def generate(context, builder, signature, values):
        _, out_type, in_type = signature.args
        out_data = context.make_array(out_type)(context, builder, values[1]).data
        in_data = context.make_array(in_type)(context, builder, values[2]).data
        double = ir.DoubleType().as_pointer()
        function = ir.FunctionType(ir.VoidType(), [double, double])
        pointer = builder.inttoptr(values[0], function.as_pointer())
        builder.call(pointer, [builder.bitcast(out_data, double), builder.bitcast(in_data, double)])
        return context.get_dummy_value()

    return signature, generate


def _call_sparse(typing_context, address, a, b, c, width):
    """``call_sparse(address, a, b, c, width)`` runs ``void f(double *a, double *b, double *c, i64
    width)``."""
    signature = types.void(types.int64, a, b, c, types.int64)

    def generate(context, builder, signature, values):
        double = ir.DoubleType().as_pointer()
        pointers = [
            builder.bitcast(context.make_array(signature.args[k])(context, builder, values[k]).data, double)
            for k in (1, 2, 3)
        ]
        function = ir.FunctionType(ir.VoidType(), [double, double, double, ir.IntType(64)])
        builder.call(builder.inttoptr(values[0], function.as_pointer()), [*pointers, values[4]])
        return context.get_dummy_value()

    return signature, generate


def _invoke(typing_context, address, arguments):
    """``invoke(address, (a, b, …))`` runs ``void f(…)`` on whole numbers, floats and contiguous arrays.

    Of an array the address of its data is passed. A kernel that is called so is compiled once, and not again
    as a part of each of its callers, which is what the compiler does with kernels that call each other.
    """
    signature = types.void(types.int64, arguments)

    def generate(context, builder, signature, values):
        kinds, given = signature.args[1].types, cgutils.unpack_tuple(builder, values[1])
        passed = []
        for kind, value in zip(kinds, given, strict=True):
            if isinstance(kind, types.Array) and kind.layout == "C":
                value = context.make_array(kind)(context, builder, value).data
            elif not isinstance(kind, types.Integer | types.Float):
                raise TypeError(f"{kind} cannot be passed")
            passed.append(value)
        function = ir.FunctionType(ir.VoidType(), [value.type for value in passed])
        builder.call(builder.inttoptr(values[0], function.as_pointer()), passed)
        return context.get_dummy_value()

    return signature, generate


call: Any = intrinsic(_call)
invoke: Any = intrinsic(_invoke)
call_sparse: Any = intrinsic(_call_sparse)
