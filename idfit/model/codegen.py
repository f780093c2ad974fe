"""Machine code from expression graphs, through LLVM and without a C compiler.

Each function becomes ``void f(double *out, const double *in)``. Symbols are positions in ``in``: no name of
the user ever reaches generated code. Object code is cached on disk by the hash of its text; a `Library`
owns the code and must outlive every address taken from it.
"""

from __future__ import annotations

import hashlib
import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import llvmlite
import llvmlite.binding as llvm

from idfit.model.graph import Graph, Node
from idfit.numerics.compilation import cache_directory, write_cache_file

_INTRINSICS = {"exp": "llvm.exp.f64", "log": "llvm.log.f64", "sin": "llvm.sin.f64", "cos": "llvm.cos.f64",
               "abs": "llvm.fabs.f64", "floor": "llvm.floor.f64",
               "ceil": "llvm.ceil.f64"}  # fmt: skip
_LIBM = ("tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "erf")
_COMPARE = {"lt": "olt", "le": "ole", "eq": "oeq", "ne": "une"}
# LLVM's vectoriser and register allocation take more than linear time in the length of a basic block, so
# outputs are emitted in parts of about so many nodes; in longer ones where short ones would repeat too much
_PARTS = (200, 1500)
# how often a node, and one that is more than sums and products, may be emitted on average
_MOST_REPEATED, _MOST_REPEATED_CALLS = 3.0, 1.1
_CHEAP = ("const", "var", "sum", "prod")
_LARGEST_ROOT_POWER = 32


def float_text(value: float) -> str:
    return f"0x{struct.unpack('<Q', struct.pack('<d', value))[0]:016X}"


class _Body:
    """Instructions of one part of a function."""

    def __init__(self, graph: Graph):
        self.graph = graph
        self.lines: list[str] = []
        self.names: dict[Node, str] = {}
        self.powers: dict[tuple[Node, int], str] = {}
        self.roots: dict[Node, str] = {}
        self.used: set[str] = set()

    def new(self, text: str) -> str:
        name = f"%v{len(self.lines)}"
        self.lines.append(f"  {name} = {text}")
        return name

    def call(self, function: str, *arguments: str) -> str:
        self.used.add(f"declare double @{function}({', '.join(['double'] * len(arguments))})")
        return self.new(f"call double @{function}({', '.join('double ' + a for a in arguments)})")

    def load(self, index: int) -> str:
        pointer = self.new(f"getelementptr double, ptr %in, i64 {index}")
        return self.new(f"load double, ptr {pointer}")

    def store(self, index: int, node: Node) -> None:
        pointer = self.new(f"getelementptr double, ptr %out, i64 {index}")
        self.lines.append(f"  store double {self.names[node]}, ptr {pointer}")

    def power(self, node: Node, k: int) -> str:
        if k == 1:
            return self.names[node]
        known = self.powers.get((node, k))
        if known is None:
            half = self.power(node, k // 2)
            known = self.new(f"fmul contract double {half}, {half}")
            if k % 2:
                known = self.new(f"fmul contract double {known}, {self.names[node]}")
            self.powers[node, k] = known
        return known

    def product(self, parts: Sequence[str]) -> str:
        result = parts[0] if parts else float_text(1.0)
        for part in parts[1:]:
            result = self.new(f"fmul contract double {result}, {part}")
        return result

    def boolean(self, node: Node) -> str:
        return self.new(f"fcmp une double {self.names[node]}, {float_text(0.0)}")

    def real(self, flag: str) -> str:
        return self.new(f"select i1 {flag}, double {float_text(1.0)}, double {float_text(0.0)}")

    def emit(self, node: Node) -> str:
        kind, data = self.graph.kind[node], self.graph.data[node]
        if kind == "const":
            return float_text(data[0])
        if kind == "var":
            return self.load(self.graph.position[data[0]])
        if kind == "sum":
            constant, terms = data
            result = None if constant == 0.0 else float_text(constant)
            # positive unit terms first, so that most sums start without a multiplication by -1
            for a, n in sorted(terms, key=lambda term: (term[0] != 1.0, term[0] == -1.0)):
                name = self.names[n]
                if result is None:
                    result = name if a == 1.0 else self.new(f"fmul contract double {name}, {float_text(a)}")
                elif a == 1.0:
                    result = self.new(f"fadd contract double {result}, {name}")
                elif a == -1.0:
                    result = self.new(f"fsub contract double {result}, {name}")
                else:
                    scaled = self.new(f"fmul contract double {name}, {float_text(a)}")
                    result = self.new(f"fadd contract double {result}, {scaled}")
            assert result is not None
            return result
        if kind == "prod":
            above = self.product([self.power(n, k) for n, k in data if k > 0])
            below = [self.power(n, -k) for n, k in data if k < 0]
            return self.new(f"fdiv double {above}, {self.product(below)}") if below else above
        if kind == "pow":
            return self._general_power(*data)
        if kind in ("min", "max"):
            a, b = (self.names[n] for n in data)
            flag = self.new(f"fcmp {'ole' if kind == 'min' else 'oge'} double {a}, {b}")
            return self.new(f"select i1 {flag}, double {a}, double {b}")
        if kind == "select":
            flag = self.boolean(data[0])
            return self.new(f"select i1 {flag}, double {self.names[data[1]]}, double {self.names[data[2]]}")
        if kind in _COMPARE:
            a, b = (self.names[n] for n in data)
            return self.real(self.new(f"fcmp {_COMPARE[kind]} double {a}, {b}"))
        if kind in ("and", "or"):
            a, b = (self.boolean(n) for n in data)
            return self.real(self.new(f"{kind} i1 {a}, {b}"))
        if kind == "not":
            return self.real(self.new(f"fcmp oeq double {self.names[data[0]]}, {float_text(0.0)}"))
        argument = self.names[data[0]]
        if kind == "sign":
            up = self.real(self.new(f"fcmp ogt double {argument}, {float_text(0.0)}"))
            down = self.real(self.new(f"fcmp olt double {argument}, {float_text(0.0)}"))
            return self.new(f"fsub double {up}, {down}")
        return self.call(_INTRINSICS.get(kind, kind), argument)

    def _general_power(self, base: Node, exponent: Node, logs: int, pole: bool) -> str:
        b = self.names[base]
        number = self.graph.value(exponent)
        if number is not None and (2.0 * number).is_integer() and abs(number) <= _LARGEST_ROOT_POWER:
            result = self._half_integer_power(base, math.floor(abs(number)), abs(number) % 1.0 != 0.0)
            if number < 0.0:
                result = self.new(f"fdiv double {float_text(1.0)}, {result}")
        else:
            result = self.call("llvm.pow.f64", b, self.names[exponent])
        if logs:
            logarithm = self.call("llvm.log.f64", b)
            for _ in range(logs):
                result = self.new(f"fmul double {result}, {logarithm}")
        if logs or not pole:
            at_zero = self.new(f"fcmp oeq double {b}, {float_text(0.0)}")
            if not logs:
                negative = self.new(f"fcmp olt double {self.names[exponent]}, {float_text(0.0)}")
                at_zero = self.new(f"and i1 {at_zero}, {negative}")
            result = self.new(f"select i1 {at_zero}, double {float_text(0.0)}, double {result}")
        return result

    def _half_integer_power(self, base: Node, whole: int, half: bool) -> str:
        if not half:
            return self.power(base, whole) if whole else float_text(1.0)
        if base not in self.roots:
            self.roots[base] = self.call("llvm.sqrt.f64", self.names[base])
        return self.product([self.roots[base], *([self.power(base, whole)] if whole else [])])


def _parts(graph: Graph, outputs: Sequence[Node]) -> list[tuple[int, int, set[Node]]]:
    """Ranges of outputs that are computed together, with the nodes of each."""
    parts: list[tuple[int, int, set[Node]]] = []
    for size in _PARTS:
        parts, position = [], 0
        while position < len(outputs) or not parts:
            end, reach = position, set()
            while end < len(outputs) and len(reach) < size:
                reach.update(graph.below([outputs[end]]))
                end += 1
            parts.append((position, end, reach))
            position = end
        emitted = [n for _, _, reach in parts for n in reach]
        calls = [n for n in emitted if graph.kind[n] not in _CHEAP]
        repeated = len(emitted) > _MOST_REPEATED * len(set(emitted))
        if not repeated and len(calls) <= _MOST_REPEATED_CALLS * len(set(calls)):
            break
    return parts


def _function_text(name: str, graph: Graph, outputs: Sequence[Node]) -> tuple[str, set[str]]:
    parts: list[str] = []
    used: set[str] = set()
    for start, end, reach in _parts(graph, outputs):
        body = _Body(graph)
        for node in sorted(reach):
            body.names[node] = body.emit(node)
        for index in range(start, end):
            body.store(index, outputs[index])
        used |= body.used
        parts.append("\n".join(body.lines))
    arguments = "(ptr noalias nocapture %out, ptr noalias nocapture readonly %in)"
    if len(parts) == 1:
        return f"define void @{name}{arguments} {{\n{parts[0]}\n  ret void\n}}\n", used
    text = "".join(
        f"define internal void @{name}_{i}{arguments} noinline {{\n{part}\n  ret void\n}}\n"
        for i, part in enumerate(parts)
    )
    calls = "\n".join(f"  call void @{name}_{i}(ptr %out, ptr %in)" for i in range(len(parts)))
    return text + f"define void @{name}{arguments} {{\n{calls}\n  ret void\n}}\n", used


@dataclass(frozen=True)
class Library:
    """Compiled functions. `address` is valid for as long as this object lives, and no longer."""

    address: Mapping[str, int]
    digest: str
    cached: bool
    _engine: object = field(repr=False)


def compile_functions(
    graph: Graph,
    functions: Mapping[str, Sequence[Node]],
    written: Mapping[str, str] | None = None,
    declared: Sequence[str] = (),
) -> Library:
    """Compile ``name -> output nodes``; every function reads all variables of the graph from its input.

    `written` are further functions that exist as LLVM text already, with what they declare.
    """
    written = written or {}
    texts, declarations = list(written.values()), set(declared)
    for name, outputs in functions.items():
        text, used = _function_text(name, graph, outputs)
        texts.append(text)
        declarations |= used
    source = "\n".join([*sorted(declarations), *texts])
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    cpu, features = llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()
    identity = f"{llvmlite.__version__} {llvm.llvm_version_info} {cpu} {features}\n{source}"
    digest = hashlib.sha256(identity.encode()).hexdigest()
    path = cache_directory() / "models" / f"{digest}.o"
    machine = llvm.Target.from_default_triple().create_target_machine(
        cpu=cpu, features=features, opt=2, jit=True
    )
    code = _read(path)
    module = llvm.parse_assembly("" if code else source)
    module.name = digest
    engine = llvm.create_mcjit_compiler(module, machine)
    if code:
        engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    else:
        options = llvm.create_pipeline_tuning_options(speed_level=2)
        options.slp_vectorization = True
        builder = llvm.create_pass_builder(machine, options)
        builder.getModulePassManager().run(module, builder)
        engine.set_object_cache(
            lambda _, data: write_cache_file(path, _checksum(data) + data), lambda _: None
        )
    engine.finalize_object()
    address = {name: engine.get_function_address(name) for name in (*functions, *written)}
    if not all(address.values()):
        raise RuntimeError("generated code has no address for a function")
    return Library(address, digest, code is not None, engine)


def _checksum(code: bytes) -> bytes:
    return hashlib.sha256(code).digest()


def _read(path: Path) -> bytes | None:
    """Cached object code; None if there is none or it is damaged, which would crash the process that runs
    it."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    size = hashlib.sha256().digest_size
    checksum, code = content[:size], content[size:]
    return code if code and checksum == _checksum(code) else None


def has_unusable_constant(graph: Graph, outputs: Sequence[Node]) -> bool:
    """Whether a constant below the outputs is not a finite number (a division by zero, say)."""
    for n in graph.below(outputs):
        kind, data = graph.kind[n], graph.data[n]
        numbers = [data[0]] if kind in ("const", "sum") else []
        numbers += [a for a, _ in data[1]] if kind == "sum" else []
        if not all(map(math.isfinite, numbers)):
            return True
    return False
