# SPDX-License-Identifier: Apache-2.0
"""Kernels and gradients of pointwise ops and optimizer updates, printed from their expressions."""
import ast

from . import expression
from .records import DTYPE_SETS, DTYPES, NOTICE, needs_gradient_op

# What kernels are made for. The other floats are widened to f32 and the other integers to i64, tile by tile.
C_LANES = {"f32": "float", "f64": "double", "i64": "int64_t"}
C_SCALARS = {"f32": "float", "f64": "double", "i64": "int64_t", "bool": "uint8_t"}


def pointwise_ops(ops):
    return [op for op in ops if op.pointwise]


def assignments(op):
    """(target, expression) pairs; a pointwise op has one, whose target is `result`."""
    if op.class_ == "update":
        return [tuple(part.strip() for part in step.split("=", 1)) for step in op.steps]
    return [("result", op.expression)]


def dtypes(op):
    """The dtypes that kernels are made for: those that all of the op's `same` inputs may have."""
    sets = [DTYPE_SETS[i.dtype] for i in op.inputs if i.same]
    return [d for d in C_SCALARS if all(d in s for s in sets)]


def output_dtype(op, dtype):
    return op.output_dtype or dtype


# ---- gradients: passed on, negated, or one hidden op each ----

def gradient_statement(op, target, place):
    """Sets `place` to the gradient of input `target`."""
    text = op.gradient[target]
    operands = {input_.name: f"vjp->inputs[{i}]" for i, input_ in enumerate(op.inputs)}
    operands |= {"g": "g", op.result_name(): "vjp->outputs[0]"}
    if not needs_gradient_op(op, target):
        settings = {a.name: f"wk_scalar(((const wk_{op.name}_arguments *)vjp->arguments)->{a.name})" for a in op.attributes}
        operands = settings | operands
        return PublicPrinter(operands.get).assignment(place, text)
    used = expression.names(text)
    arguments = ["g"] if "g" in used else []
    arguments += [f"vjp->inputs[{i}]" for i, input_ in enumerate(op.inputs) if input_.name in used]
    arguments += ["vjp->outputs[0]"] if op.result_name() in used else []
    arguments += [f".{a.name} = ((const wk_{op.name}_arguments *)vjp->arguments)->{a.name}"
                  for a in op.attributes if a.name in used]
    return f"{place} = wk_{op.name}_gradient_{target}({', '.join(arguments)});"


class PublicPrinter(expression.Printer):
    """Calls of public ops, which autograd can record: for gradients of gradients. What is used several times gets a
    name."""
    COMPARISONS = {"<": "less", "<=": "less_equal", ">": "greater", ">=": "greater_equal", "==": "equal",
                   "!=": "not_equal"}
    OPERATORS = {"+": "add", "-": "subtract", "*": "multiply", "/": "divide"}

    def assignment(self, place, text):
        tree = expression.parse(text)
        self.uses, self.named, self.parts = expression.uses(tree), {}, []
        result = self.print(tree)
        if not self.parts:
            return f"{place} = {result};"
        return "{\n" + "".join(f"    wk_tensor *const {part};\n" for part in self.parts) + f"    {place} = {result};\n  }}"

    def print(self, node):
        key = ast.dump(node)
        if key not in self.named:
            text = super().print(node)
            if self.uses.get(key, 0) < 2 or "(" not in text:
                return text
            self.named[key] = f"part_{len(self.parts) + 1}"
            self.parts.append(f"{self.named[key]} = {text}")
        return self.named[key]

    def number(self, value):
        return f"wk_scalar({float(value)!r})"

    def binary(self, operator, a, b):
        return f"wk_{self.OPERATORS[operator]}({a}, {b})"

    def negative(self, a):
        return f"wk_negative({a})"

    def compare(self, operator, a, b):
        return f"wk_{self.COMPARISONS[operator]}({a}, {b})"

    def condition(self, node):
        return self.print(node)

    def logic(self, operator, a, b):
        return f"wk_logical_{operator}({a}, {b})"

    def negation(self, a):
        return f"wk_logical_not({a})"

    def where(self, condition, a, b):
        return f"wk_where({condition}, {a}, {b})"

    def call(self, function, arguments):
        return f"wk_{function}({', '.join(arguments)})"


def composites(ops):
    """Public ops that stand for others, and what the hidden gradient ops stand for: these run as one kernel but
    where they are recorded themselves."""
    parts = [NOTICE, '#include <math.h>\n\n#include "ops/records.gen.h"\n']
    for op in ops:
        if not (op.composite and op.class_ == "pointwise" and op.expression):
            continue
        inputs = {i.name: f"call->inputs[{n}]" for n, i in enumerate(op.inputs)}
        settings = {a.name: f"wk_scalar(a->{a.name})" for a in op.attributes}
        statement = PublicPrinter((inputs | settings).get).assignment("call->outputs[0]", op.expression)
        declaration = f"  const wk_{op.name}_arguments *a = call->arguments;\n" if settings else ""
        parts.append(f"\nwk_status wk_composite_{op.name}(wk_call *call) {{\n{declaration}"
                     f"  {statement}\n  return wk_error_status();\n}}\n")
    return "".join(parts)


def gradients(ops):
    parts = [NOTICE, '#include "ops/records.gen.h"\n']
    for op in ops:
        if not op.gradient:
            continue
        uses_g = any(text != "0" for text in op.gradient.values())
        parts.append(f"\nwk_status wk_vjp_{op.name}(wk_vjp *vjp) {{\n"
                     f"{'  wk_tensor *g = vjp->output_gradients[0];' if uses_g else '  (void)vjp; /* zero */'}\n")
        for i, input_ in enumerate(op.inputs):
            if op.gradient.get(input_.name, "0") != "0":
                statement = gradient_statement(op, input_.name, f"vjp->input_gradients[{i}]")
                parts.append(f"  if (vjp->needed[{i}]) {statement}\n")
        parts.append("  return wk_error_status();\n}\n")
    return "".join(parts)


# ---- functions on single numbers ----

# What a function is called on doubles where its own name is not libm's; maths that both the reference and the cpu
# call is in base/maths.h.
REAL_NAMES = {"abs": "fabs", "round": "rint"} | {f: f"wk_real_{f}" for f in (
    "sign", "power", "remainder", "floor_divide", "lgamma", "digamma", "trigamma", "polygamma", "ndtr", "erfinv", "logaddexp")}
INTEGER_NAMES = {f: f"wk_integer_{f}" for f in (
    "abs", "sign", "power", "remainder", "fmod", "floor_divide", "left_shift", "right_shift")}
BIT_OPERATORS = {"bitwise_and": "&", "bitwise_or": "|", "bitwise_xor": "^"}
ROUNDINGS = ("floor", "ceil", "round", "trunc")  # nothing to do for integers


class RealPrinter(expression.Printer):
    """On doubles. `prefix` is that of the functions of which reference and cpu have one each."""

    def __init__(self, name, prefix):
        super().__init__(name)
        self.prefix = prefix

    def call(self, function, arguments):
        own = {"sigmoid", "maximum", "minimum"}
        return super().call(self.prefix + function if function in own else REAL_NAMES.get(function, function), arguments)


class IntegerPrinter(expression.Printer):
    """On int64_t; wraps around instead of overflowing."""

    def number(self, value):
        return repr(int(value))

    def binary(self, operator, a, b):
        return f"(int64_t)((uint64_t){a} {operator} (uint64_t){b})"

    def negative(self, a):
        return f"(int64_t)(0 - (uint64_t){a})"

    def call(self, function, arguments):
        if function in ROUNDINGS:
            return arguments[0]
        if function in BIT_OPERATORS:
            return f"({arguments[0]} {BIT_OPERATORS[function]} {arguments[1]})"
        if function in ("maximum", "minimum"):
            a, b = arguments
            return f"({a} {'>' if function == 'maximum' else '<'} {b} ? {a} : {b})"
        return super().call(INTEGER_NAMES[function], arguments)


def used_names(op):
    return set().union(*[expression.names(text) for _, text in assignments(op)])


def attribute_lines(op, c_type):
    """The attributes that the maths uses, as variables of the type it is done in."""
    fields = [a.name for a in op.attributes if a.name in used_names(op)]
    if not fields:
        return "  (void)arguments;\n"
    lines = [f"  const wk_{op.name}_arguments *a = arguments;\n"]
    for name in fields:
        value = f"(double)a->{name}"
        if c_type == "int64_t":
            value = f"wk_integer_of_real(a->{name})"
        elif c_type.startswith("v_"):
            kind = c_type[2:]
            number = f"wk_integer_of_real(a->{name})" if kind in INTEGER_LANES else f"a->{name}"
            value = f"{kind}_splat(({C_LANES[kind]}){number})"
        lines.append(f"  const {c_type} {name} = {value};\n")
    return "".join(lines)


# ---- reference: one double (or int64_t) function per op ----

def reference_function(op, printer, c_type, prefix):
    inputs = {i.name: n for n, i in enumerate(op.inputs)}
    printer.name = lambda n: f"v[{inputs[n]}]" if n in inputs else n
    lines = [attribute_lines(op, c_type)]
    if op.class_ == "update":
        lines += [f"  v[{inputs[t]}] = {printer.text(text)};\n" for t, text in assignments(op)]
        lines.append("  return 0;\n")
    else:
        lines.append(f"  return {printer.text(op.expression)};\n")
    return f"static {c_type} {prefix}_{op.name}({c_type} *v, const void *arguments) {{\n{''.join(lines)}}}\n\n"


def reference(ops):
    parts = [NOTICE, '#include <math.h>\n\n#include "backend/reference/pointwise.h"\n#include "ops/records.gen.h"\n\n']
    rows = []
    for op in pointwise_ops(ops):
        has_reals, has_integers = "f64" in dtypes(op), "i64" in dtypes(op)
        if has_reals:
            parts.append(reference_function(op, RealPrinter(None, "reference_"), "double", "real"))
        if has_integers:
            parts.append(reference_function(op, IntegerPrinter(None), "int64_t", "integer"))
        rows.append(f"    [{op.id}] = {{{'real_' + op.name if has_reals else 'NULL'}, "
                    f"{'integer_' + op.name if has_integers else 'NULL'}}},\n")
    parts.append("const wk_reference_pointwise wk_reference_pointwise_table[WK_OP_COUNT] = {\n" + "".join(rows) + "};\n")
    return "".join(parts)


# ---- cpu: loops over contiguous tiles, a register at a time ----

# The lanes of registers: f32 has functions of its own; the others' are those of isa/pointwise.h.
INTEGER_LANES = {"i64", "i32", "u8", "b8"}


class LanesPrinter(expression.Printer):
    """A register of lanes of `kind`; truth values are lanes of all ones or zeros."""

    def __init__(self, kind):
        super().__init__(lambda name: name)
        self.kind = kind

    def number(self, value):
        text = f"{float(value)!r}f" if self.kind == "f32" else repr(float(value)) if self.kind == "f64" else repr(int(value))
        return f"{self.kind}_splat({text})"

    def binary(self, operator, a, b):
        if self.kind in INTEGER_LANES:
            return f"(v_{self.kind})((u_{self.kind}){a} {operator} (u_{self.kind}){b})"
        return super().binary(operator, a, b)

    def negative(self, a):
        return f"(v_{self.kind})(-(u_{self.kind}){a})" if self.kind in INTEGER_LANES else super().negative(a)

    def condition(self, node):
        return self.print(node)

    def logic(self, operator, a, b):
        return f"({a} {'&' if operator == 'and' else '|'} {b})"

    def negation(self, a):
        return f"(~{a})"

    def where(self, condition, a, b):
        return f"{self.kind}_select({condition}, {a}, {b})"

    def call(self, function, arguments):
        if function in BIT_OPERATORS and self.kind in INTEGER_LANES:
            return f"({arguments[0]} {BIT_OPERATORS[function]} {arguments[1]})"
        if function in ROUNDINGS and self.kind in INTEGER_LANES:
            return arguments[0]
        return f"{self.kind}_{function}({', '.join(arguments)})"


def is_truth(op, name):
    return any(i.name == name and i.dtype == "bool" for i in op.inputs)


def lanes_kernel(op, dtype, kind):
    """One loop over registers of `kind`; f32 as f64 is computed wide and rounded once. The caller sees to it that the
    registers are whole."""
    wide = dtype == "f32" and kind == "f64"
    inputs = [i.name for i in op.inputs]
    targets = list(dict.fromkeys(t for t, _ in assignments(op)))
    printer = LanesPrinter(kind)
    memory = "wide" if wide else kind
    body = []
    for n, name in enumerate(inputs):
        load, of = (f"{kind}_load_mask", "m") if is_truth(op, name) else (f"{memory}_load", "v")
        qualifier = "" if name in targets else "const "
        body.append(f"    {qualifier}{of}_{kind} {name} = {load}(operand[{n}], i);\n")
    truth_result = op.class_ != "update" and op.output_dtype == "bool"
    for target, text in assignments(op):
        declare = "" if target in inputs else f"const {'m' if truth_result else 'v'}_{kind} "
        body.append(f"    {declare}{target} = {printer.text(text)};\n")
    for target in targets:
        place = inputs.index(target) if target in inputs else len(inputs)
        store = f"{kind}_store_mask" if truth_result else f"{memory}_store"
        body.append(f"    {store}(operand[{place}], i, {target});\n")
    return (f"static void {op.name}_{dtype}(char *const *operand, int64_t count, const void *arguments) {{\n"
            f"{attribute_lines(op, 'v_' + kind)}"
            f"  for (int64_t i = 0; i < count; i += V_LANES({kind})) {{\n{''.join(body)}  }}\n}}\n\n")


def scalar_kernel(op, dtype):
    """One element at a time; f32 in double, rounded once."""
    inputs = [i.name for i in op.inputs]
    integer = dtype not in ("f32", "f64")
    lines = []
    for n, i in enumerate(op.inputs):
        c_type = C_SCALARS[dtype if i.same else i.dtype]
        const = "" if i.written else "const "
        lines.append(f"  {const}{c_type} *{'restrict ' if op.class_ == 'update' else ''}p{n} = ({const}{c_type} *)operand[{n}];\n")
    printer = IntegerPrinter(None) if integer else RealPrinter(None, "scalar_")
    widen = "(double)" if dtype == "f32" else ""
    printer.name = lambda n: n if n not in inputs else f"{'' if is_truth(op, n) else widen}p{inputs.index(n)}[i]"
    body = []
    for target, text in assignments(op):
        place = inputs.index(target) if target in inputs else len(inputs)
        out = output_dtype(op, dtype) if place == len(inputs) else dtype
        store = f"{printer.text(text)} != 0" if out == "bool" else f"({C_SCALARS[out]}){printer.text(text)}"
        body.append(f"    p{place}[i] = {store};\n")
    if op.class_ != "update":
        out = C_SCALARS[output_dtype(op, dtype)]
        lines.append(f"  {out} *restrict p{len(inputs)} = ({out} *)operand[{len(inputs)}];\n")
    return (f"static void {op.name}_{dtype}(char *const *operand, int64_t count, const void *arguments) {{\n"
            f"{attribute_lines(op, 'int64_t' if integer else 'double')}{''.join(lines)}"
            f"  for (int64_t i = 0; i < count; i++) {{\n{''.join(body)}  }}\n}}\n\n")


# What f32_<function>, f64_<function> and so on there are in isa/pointwise.h.
EXACT_FUNCTIONS = {"where", "maximum", "minimum", "abs"}
LANES_FUNCTIONS = {
    "f32": EXACT_FUNCTIONS | {"exp", "log", "sqrt", "tanh", "sigmoid", "sign", "floor", "ceil", "round", "trunc", "copysign", "erf",
                              "ndtr", "expm1", "log1p", "sin", "cos", "tan", "exp2", "log2", "log10", "power"},
    "f64": EXACT_FUNCTIONS | {"sqrt", "exp", "log", "sigmoid", "tanh", "erf", "ndtr", "sin", "cos"},
    "wide": EXACT_FUNCTIONS | {"sqrt", "exp", "log", "sigmoid"},  # f32 worked out in f64
    "i64": EXACT_FUNCTIONS | {"bitwise_and", "bitwise_or", "bitwise_xor"},
}
LANES_FUNCTIONS |= {kind: LANES_FUNCTIONS["i64"] for kind in ("i32", "u8", "bool")}


def uses_attributes(op):
    return any(a.name in used_names(op) for a in op.attributes)


def lanes_kind(op, dtype):
    """The lanes of the op's kernel that is compiled for every instruction set, or None. What calls libm for each
    element gains nothing by that; what is rarely used is not worth the library's size."""
    if op.class_ == "update":
        return dtype if dtype == "f32" else None
    if dtype not in NATIVE_DTYPES or not all(dtype_allowed(i, dtype) for i in op.inputs):
        return None
    used, operations = expression.functions(op.expression), expression.operations(op.expression)
    if dtype == "f32":
        rare = (op.gradient_in_parts and operations > 1) or (op.widened and op.output_dtype != "bool")
        if used <= LANES_FUNCTIONS["f32"] and not rare:
            return "f32"
        return "f64" if used <= LANES_FUNCTIONS["wide"] else None
    if not used <= LANES_FUNCTIONS[dtype]:
        return None
    if dtype == "f64" and not op.ulp.get("f64") and not used <= EXACT_FUNCTIONS | {"sqrt"}:
        return None  # its record wants libm's bits
    if dtype in ("i32", "u8", "bool") and uses_attributes(op):
        return None  # their values need not fit
    return ("b8" if dtype == "bool" else dtype) if operations <= 3 and (not op.hidden or op.gradient and used) else None


# Kernels are made for these, one or two of them for any processor; other floats are widened to f32, other integers to i64.
NATIVE_DTYPES = ("f32", "f64", "i64", "i32", "u8", "bool")


def dtype_allowed(input_, dtype):
    return not input_.same or dtype in DTYPE_SETS[input_.dtype]


KINDS = {dtype: f"WK_KIND_{dtype.upper()}" for dtype in NATIVE_DTYPES}


def table(ops, name, kinds, kernel):
    """The kernels that `kernel` makes of ops and dtypes, and a table of them by the op's place among the pointwise ones
    and the dtype's kind."""
    parts, rows = [], []
    for place, op in enumerate(pointwise_ops(ops), start=1):
        made = {dtype: kernel(op, dtype) for dtype in NATIVE_DTYPES}
        parts += [text for text in made.values() if text]
        names = [f"[{KINDS[dtype]}] = {op.name}_{dtype}" for dtype, text in made.items() if text]
        if names:
            rows.append(f"    [{place}] = {{{', '.join(names)}}},\n")
    count = len(pointwise_ops(ops)) + 1
    return "".join(parts) + f"const wk_pointwise_kernel {name}[{count}][{kinds}] = {{\n" + "".join(rows) + "};\n"


def places(ops):
    rows = "".join(f"    [{op.id}] = {place},\n" for place, op in enumerate(pointwise_ops(ops), start=1))
    return f"\nconst uint16_t wk_pointwise_place[WK_OP_COUNT] = {{\n{rows}}};\n"


def vectorised(ops):
    return (NOTICE + '#include <math.h>\n\n#include "backend/cpu/isa/pointwise.h"\n#include "ops/records.gen.h"\n\n'
            + table(ops, "WK_ISA_NAME(wk_pointwise_table)", "WK_KINDS",
                    lambda op, dtype: (kind := lanes_kind(op, dtype)) and lanes_kernel(op, dtype, kind)))


def elementwise(ops):
    """What is compiled once, for any processor."""
    return (NOTICE + '#include <math.h>\n\n#include "backend/cpu/pointwise_scalar.h"\n#include "ops/records.gen.h"\n\n'
            + table(ops, "wk_pointwise_table_scalar", "WK_KINDS",
                    lambda op, dtype: dtype in dtypes(op) and not lanes_kind(op, dtype) and scalar_kernel(op, dtype))
            + places(ops))
