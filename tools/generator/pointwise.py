# SPDX-License-Identifier: Apache-2.0
"""Kernels and gradients of pointwise ops and optimizer updates, printed from their expressions."""
from . import expression
from .records import DTYPE_SETS, DTYPES, NOTICE, needs_gradient_op

# What kernels are made for. The other floats are widened to f32 and the other integers to i64, tile by tile.
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

def gradient_call(op, target):
    text = op.gradient[target]
    if text == "g":
        return "g"
    if text == "-g":
        return "wk_negative(g)"
    operands = {input_.name: f"vjp->inputs[{i}]" for i, input_ in enumerate(op.inputs)}
    operands |= {"g": "g", op.result_name(): "vjp->outputs[0]"}
    if not needs_gradient_op(text):
        return PublicPrinter(operands.get).text(text)
    used = expression.names(text)
    arguments = ["g"] if "g" in used else []
    arguments += [f"vjp->inputs[{i}]" for i, input_ in enumerate(op.inputs) if input_.name in used]
    arguments += ["vjp->outputs[0]"] if op.result_name() in used else []
    arguments += [f".{a.name} = ((const wk_{op.name}_arguments *)vjp->arguments)->{a.name}"
                  for a in op.attributes if a.name in used]
    return f"wk_{op.name}_gradient_{target}({', '.join(arguments)})"


class PublicPrinter(expression.Printer):
    """Calls of public ops, which autograd can record: for gradients of gradients."""
    COMPARISONS = {"<": "less", "<=": "less_equal", ">": "greater", ">=": "greater_equal", "==": "equal",
                   "!=": "not_equal"}
    OPERATORS = {"+": "add", "-": "subtract", "*": "multiply", "/": "divide"}

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

    def where(self, condition, a, b):
        return f"wk_where({condition}, {a}, {b})"

    def call(self, function, arguments):
        return f"wk_{function}({', '.join(arguments)})"


def composites(ops):
    """What the hidden gradient ops stand for. They run as one kernel but where they are recorded themselves."""
    parts = [NOTICE, '#include <math.h>\n\n#include "ops/records.gen.h"\n']
    for op in ops:
        if not (op.hidden and op.composite and op.class_ == "pointwise"):
            continue
        inputs = {i.name: f"call->inputs[{n}]" for n, i in enumerate(op.inputs)}
        settings = {a.name: f"wk_scalar(a->{a.name})" for a in op.attributes}
        text = PublicPrinter(lambda n: (inputs | settings)[n]).text(op.expression)
        declaration = f"  const wk_{op.name}_arguments *a = call->arguments;\n" if settings else ""
        parts.append(f"\nwk_status wk_composite_{op.name}(wk_call *call) {{\n{declaration}"
                     f"  call->outputs[0] = {text};\n  return wk_error_status();\n}}\n")
    return "".join(parts)


def gradients(ops):
    parts = [NOTICE, '#include "ops/records.gen.h"\n']
    for op in ops:
        if not op.gradient:
            continue
        parts.append(f"\nwk_status wk_vjp_{op.name}(wk_vjp *vjp) {{\n  wk_tensor *g = vjp->output_gradients[0];\n")
        for i, input_ in enumerate(op.inputs):
            if input_.name in op.gradient:
                parts.append(f"  if (vjp->needed[{i}]) vjp->input_gradients[{i}] = {gradient_call(op, input_.name)};\n")
        parts.append("  return wk_error_status();\n}\n")
    return "".join(parts)


# ---- reference: one double (or int64_t) function per op ----

class ReferencePrinter(expression.Printer):
    def call(self, function, arguments):
        own = {"sigmoid", "maximum", "minimum"}
        return super().call(f"reference_{function}" if function in own else function, arguments)


class IntegerPrinter(expression.Printer):
    """Wraps around instead of overflowing."""

    def number(self, value):
        return repr(int(value))

    def binary(self, operator, a, b):
        return f"(int64_t)((uint64_t){a} {operator} (uint64_t){b})"

    def negative(self, a):
        return f"(int64_t)(0 - (uint64_t){a})"

    def call(self, function, arguments):
        a, b = arguments
        return f"({a} {'>' if function == 'maximum' else '<'} {b} ? {a} : {b})"


def reference_function(op, printer_class, c_type, prefix):
    inputs = {i.name: n for n, i in enumerate(op.inputs)}
    used = set().union(*[expression.names(text) for _, text in assignments(op)])
    lines = []
    for a in op.attributes:
        if a.name in used:
            lines.append(f"  const double {a.name} = ((const wk_{op.name}_arguments *)arguments)->{a.name};\n")
    if not lines:
        lines.append("  (void)arguments;\n")
    printer = printer_class(lambda n: f"v[{inputs[n]}]" if n in inputs else n)
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
        has_integers = any(d.startswith(("i", "u")) for d in dtypes(op))
        parts.append(reference_function(op, ReferencePrinter, "double", "real"))
        if has_integers:
            parts.append(reference_function(op, IntegerPrinter, "int64_t", "integer"))
        rows.append(f"    [{op.id}] = {{real_{op.name}, {'integer_' + op.name if has_integers else 'NULL'}}},\n")
    parts.append("const wk_reference_pointwise wk_reference_pointwise_table[WK_OP_COUNT] = {\n" + "".join(rows) + "};\n")
    return "".join(parts)


# ---- cpu: loops over contiguous tiles, 16 f32 lanes at a time ----

class VectorPrinter(expression.Printer):
    """16 f32 lanes; truth values are lanes of all ones or zeros."""

    def number(self, value):
        return f"v_splat({float(value)!r}f)"

    def condition(self, node):
        return super().print(node)

    def where(self, condition, a, b):
        return f"v_select({condition}, {a}, {b})"

    def call(self, function, arguments):
        return f"v_{function}({', '.join(arguments)})"


class ScalarPrinter(expression.Printer):
    def __init__(self, name, dtype):
        super().__init__(name)
        self.dtype = dtype

    def number(self, value):
        return f"{float(value)!r}" if self.dtype in ("f32", "f64") else repr(int(value))

    def binary(self, operator, a, b):
        if self.dtype in ("f32", "f64"):
            return super().binary(operator, a, b)
        return f"(int64_t)((uint64_t){a} {operator} (uint64_t){b})"

    def negative(self, a):
        if self.dtype in ("f32", "f64"):
            return super().negative(a)
        return self.binary("-", "0", a)

    def call(self, function, arguments):
        kind = "f64" if self.dtype == "f64" else "integer"
        own = {"sigmoid", "maximum", "minimum"}
        if function in ("maximum", "minimum") and kind == "integer":
            a, b = arguments
            return f"({a} {'>' if function == 'maximum' else '<'} {b} ? {a} : {b})"
        return super().call(f"scalar_{function}" if function in own else function, arguments)


def attribute_lines(op, c_type, vector):
    used = set().union(*[expression.names(text) for _, text in assignments(op)])
    fields = [a.name for a in op.attributes if a.name in used]
    if not fields:
        return "  (void)arguments;\n"
    lines = [f"  const wk_{op.name}_arguments *a = arguments;\n"]
    for name in fields:
        value = f"({c_type})a->{name}"
        lines.append(f"  const v16f {name} = v_splat({value});\n" if vector else f"  const {c_type} {name} = {value};\n")
    return "".join(lines)


def is_truth(op, name):
    return any(i.name == name and i.dtype == "bool" for i in op.inputs)


def vector_kernel(op):
    """f32: the loop is written once, over whole vectors, then once more over the padded tail."""
    inputs = [i.name for i in op.inputs]
    targets = list(dict.fromkeys(t for t, _ in assignments(op)))
    printer = VectorPrinter(lambda n: n)
    body = []
    for n, name in enumerate(inputs):
        load, kind = ("v_load_mask", "v16i") if is_truth(op, name) else ("v_load", "v16f")
        qualifier = "" if name in targets else "const "
        body.append(f"    {qualifier}{kind} {name} = {load}(operand[{n}], i, lanes);\n")
    truth_result = op.class_ != "update" and output_dtype(op, "f32") == "bool"
    for target, text in assignments(op):
        declare = "" if target in inputs else ("const v16i " if truth_result else "const v16f ")
        body.append(f"    {declare}{target} = {printer.text(text)};\n")
    for target in targets:
        place = inputs.index(target) if target in inputs else len(inputs)
        store = "v_store_mask" if truth_result else "v_store"
        body.append(f"    {store}(operand[{place}], i, lanes, {target});\n")
    return (f"static void {op.name}_f32(char *const *operand, int64_t count, const void *arguments) {{\n"
            f"{attribute_lines(op, 'float', True)}"
            f"  for (int64_t i = 0; i < count; i += 16) {{\n    const int64_t lanes = count - i;\n{''.join(body)}  }}\n}}\n\n")


def scalar_kernel(op, dtype):
    inputs = [i.name for i in op.inputs]
    lines = []
    for n, i in enumerate(op.inputs):
        c_type = C_SCALARS[dtype if i.same else i.dtype]
        const = "" if i.written else "const "
        lines.append(f"  {const}{c_type} *{'restrict ' if op.class_ == 'update' else ''}p{n} = ({const}{c_type} *)operand[{n}];\n")
    printer = ScalarPrinter(lambda n: f"p{inputs.index(n)}[i]" if n in inputs else n, dtype)
    body = []
    for target, text in assignments(op):
        place = inputs.index(target) if target in inputs else len(inputs)
        out = C_SCALARS[output_dtype(op, dtype) if place == len(inputs) else dtype]
        body.append(f"    p{place}[i] = ({out}){printer.text(text)};\n")
    if op.class_ != "update":
        out = C_SCALARS[output_dtype(op, dtype)]
        lines.append(f"  {out} *restrict p{len(inputs)} = ({out} *)operand[{len(inputs)}];\n")
    return (f"static void {op.name}_{dtype}(char *const *operand, int64_t count, const void *arguments) {{\n"
            f"{attribute_lines(op, C_SCALARS[dtype], False)}{''.join(lines)}"
            f"  for (int64_t i = 0; i < count; i++) {{\n{''.join(body)}  }}\n}}\n\n")


def vectorised(ops):
    parts = [NOTICE, '#include <math.h>\n\n#include "backend/cpu/isa/pointwise.h"\n#include "ops/records.gen.h"\n\n']
    rows = []
    for op in pointwise_ops(ops):
        names = []
        for dtype in dtypes(op):
            parts.append(vector_kernel(op) if dtype == "f32" else scalar_kernel(op, dtype))
            names.append(f"[{DTYPES[dtype]}] = {op.name}_{dtype}")
        rows.append(f"    [{op.id}] = {{{', '.join(names)}}},\n")
    parts.append("const wk_pointwise_kernel WK_ISA_NAME(wk_pointwise_table)[WK_OP_COUNT][WK_DTYPE_LIMIT] = {\n"
                 + "".join(rows) + "};\n")
    return "".join(parts)
