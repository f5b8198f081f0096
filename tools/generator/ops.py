# SPDX-License-Identifier: Apache-2.0
"""The public header of ops and the registry behind it."""
from .records import DTYPE_SETS, DTYPES, NOTICE, attribute_rows, comment, settings_row

# As default arguments of a function of its own, since GCC takes the builtins in the braces of another
# function's default argument for this header's own place.
CPP_PLACE = """constexpr wk_place wk_place_of_caller(const char *file = __builtin_FILE(),
                                      const char *function = __builtin_FUNCTION(),
                                      int line = __builtin_LINE()) {
  return wk_place{file, function, line};
}
"""


def struct_name(op):
    return f"wk_{op.name}_arguments"


def field_order(op):
    """Fields as they stand in the struct: what must be given comes first."""
    return ([i for i in op.inputs if not i.optional] + [a for a in op.attributes if a.required]
            + [i for i in op.inputs if i.optional] + [a for a in op.attributes if not a.required])


def last_required(op):
    fields = [i.name for i in op.inputs if not i.optional] + [a.name for a in op.attributes if a.required]
    return fields[-1] if fields else ""


def arguments_struct(op):
    lines = ["  size_t struct_size;"]
    for field in field_order(op):
        note = getattr(field, "doc", "") or ("optional" if field.optional else "")
        lines.append(f"  {field.declaration()}" + (f" /* {note} */" if note else ""))
    return f"typedef struct {struct_name(op)} {{\n" + "\n".join(lines) + f"\n}} {struct_name(op)};\n"


def function_doc(op):
    dtypes = "; ".join(f"{i.name}: {i.dtype}" for i in op.inputs)
    text = op.doc + (f" Dtypes: {dtypes}." if dtypes else "")
    return comment(text + " Result in the innermost scope; NULL on failure. [any thread]")


def cpp_function(op):
    """C++ has no compound literals: an inline function that takes what must be given, then the rest."""
    required = [f for f in field_order(op) if f.name and (not f.optional if hasattr(f, "optional") else f.required)]
    parameters = ", ".join(f.declaration().rstrip(";") for f in required if getattr(f, "type", "") != "pair")
    scalars = [f for f in required if getattr(f, "type", "") != "pair"]
    given = "".join(f"  arguments.{f.name} = {f.name};\n" for f in scalars)
    separator = ", " if parameters else ""
    return (f"inline wk_tensor *wk_{op.name}({parameters}{separator}{struct_name(op)} arguments = {{}},\n"
            f"                           wk_place here = wk_place_of_caller()) {{\n"
            f"  arguments.struct_size = sizeof arguments;\n{given}  return wk_{op.name}_at(here, &arguments);\n}}\n")


def public_header(ops):
    public = [op for op in ops if not op.hidden]
    parts = [NOTICE, "#ifndef WICK_OPS_GEN_H\n#define WICK_OPS_GEN_H\n\n#include <wick/tensor.h>\n\nWK_BEGIN_C\n\n"]
    for op in public:
        parts.append(arguments_struct(op))
        parts.append(f"{function_doc(op)}\nWK_API wk_tensor *wk_{op.name}_at(wk_place here, const {struct_name(op)} *arguments);\n\n")
    parts.append("WK_END_C\n\n#ifndef __cplusplus\n\n")
    for op in public:
        parts.append(f"#define wk_{op.name}(...) \\\n  wk_{op.name}_at(WK_HERE, &({struct_name(op)}){{ \\\n"
                     f"                      .struct_size = sizeof({struct_name(op)}), __VA_ARGS__}})\n")
    parts.append(f"\n#else\n\n{CPP_PLACE}\n")
    parts += [cpp_function(op) for op in public]
    parts.append("\n#endif\n\n#endif\n")
    return "".join(parts)


def internal_header(ops):
    parts = [NOTICE, "#ifndef WICK_OPS_RECORDS_GEN_H\n#define WICK_OPS_RECORDS_GEN_H\n\n#include \"ops/dispatch.h\"\n\nenum {\n"]
    parts += [f"  {op.id} = {i},\n" for i, op in enumerate(ops)]
    parts.append(f"  WK_OP_COUNT = {len(ops)}\n}};\n\n")
    for op in ops:
        if op.hidden:
            parts.append(arguments_struct(op))
            parts.append(f"#define wk_{op.name}(...) \\\n  wk_op_run_in_scope(&wk_op_table[{op.id}], WK_HERE, \\\n"
                         f"                     &({struct_name(op)}){{.struct_size = sizeof({struct_name(op)}), __VA_ARGS__}})\n\n")
        if not op.pointwise and not op.composite:
            parts.append(f"wk_status wk_infer_{op.name}(wk_call *call);\n")
        if op.composite:
            parts.append(f"wk_status wk_composite_{op.name}(wk_call *call);\n")
        if op.has_vjp:
            parts.append(f"wk_status wk_vjp_{op.name}(wk_vjp *vjp);\n")
    parts.append("\n#endif\n")
    return "".join(parts)


def dtype_mask(dtype):
    return " | ".join(f"1u << {DTYPES[d]}" for d in DTYPE_SETS.get(dtype, [dtype]))


def input_rows(op):
    rows = []
    for i in op.inputs:
        flags = ", ".join(str(x).lower() for x in (i.optional, i.list, i.same, i.written))
        rows.append(f'    {{"{i.name}", offsetof({struct_name(op)}, {i.name}), {flags}, {dtype_mask(i.dtype)}}},\n')
    return "".join(rows)


def infer_name(op):
    if op.composite:
        return "NULL"
    return {"pointwise": "wk_infer_pointwise", "update": "wk_infer_update"}.get(op.class_, f"wk_infer_{op.name}")


def op_row(op):
    reads_inputs, reads_outputs = op.reads()
    output_dtype = DTYPES.get(op.output_dtype, "WK_DTYPE_DEFAULT")
    key = f"offsetof({struct_name(op)}, generator)" if op.class_ == "random" else "0"
    return (
        f"    [{op.id}] = {{\n"
        f'        .name = "{op.name}", .id = {op.id}, .class = WK_CLASS_{op.class_.upper()}, .hidden = {str(op.hidden).lower()},\n'
        f"        .inputs = {'inputs_' + op.name if op.inputs else 'NULL'}, .input_count = {len(op.inputs)}, .output_count = {op.outputs},\n"
        f"        .output_dtype = {output_dtype},\n"
        f"        .settings = {settings_row(struct_name(op), 'attributes_' + op.name, op.attributes, last_required(op))},\n"
        f"        .infer = {infer_name(op)}, .composite = {'wk_composite_' + op.name if op.composite else 'NULL'},\n"
        f"        .vjp = {'wk_vjp_' + op.name if op.has_vjp else 'NULL'},\n"
        f"        .gradient_reads_inputs = {reads_inputs}, .gradient_reads_outputs = {reads_outputs}, .random_key = {key}}},\n")


def registry(ops):
    parts = [NOTICE, '#include <math.h>\n\n#include "ops/records.gen.h"\n\n']
    for op in ops:
        if op.inputs:
            parts.append(f"static const wk_op_input inputs_{op.name}[] = {{\n{input_rows(op)}}};\n")
        if op.attributes:
            parts.append(f"static const wk_attribute attributes_{op.name}[] = {{\n{attribute_rows(op.attributes, struct_name(op))}}};\n")
    parts.append("\nconst int wk_op_table_count = WK_OP_COUNT;\n\nconst wk_op wk_op_table[WK_OP_COUNT] = {\n")
    parts += [op_row(op) for op in ops]
    parts.append("};\n\n")
    for op in ops:
        if op.class_ == "random":
            for field in ("keyed", "seed", "offset"):
                parts.append(f"_Static_assert(offsetof({struct_name(op)}, {field}) - offsetof({struct_name(op)}, generator) ==\n"
                             f"                   offsetof(wk_random_key, {field}),\n               \"the key's fields stand together\");\n")
        if not op.hidden:
            parts.append(f"\nwk_tensor *wk_{op.name}_at(wk_place here, const {struct_name(op)} *arguments) {{\n"
                         f"  return wk_op_run_in_scope(&wk_op_table[{op.id}], here, arguments);\n}}\n")
    return "".join(parts)
