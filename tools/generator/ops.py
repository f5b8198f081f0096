# SPDX-License-Identifier: Apache-2.0
"""The public header of ops and the registry behind it."""
from . import cpp
from .records import DTYPE_SETS, DTYPES, NOTICE, attribute_tables, comment, settings_row


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
    result = "Result" if len(op.outputs) == 1 else "Results"
    return comment(text + f" {result} in the innermost scope; NULL on failure. [any thread]")


def result_type(op):
    return "wk_tensor *" if len(op.outputs) <= 1 else f"wk_{op.name}_result "


def result_struct(op):
    """Several outputs come back by value: wk_sort(x, .axis = 0).indices."""
    if len(op.outputs) <= 1:
        return ""
    fields = "".join(f"  wk_tensor *{o.name};\n" for o in op.outputs)
    return f"typedef struct wk_{op.name}_result {{\n{fields}}} wk_{op.name}_result;\n"


def function_body(op):
    if len(op.outputs) == 1:
        return f"  return wk_op_run_in_scope(&wk_op_table[{op.id}], here, arguments);\n"
    fields = ", ".join(f"results[{i}]" for i in range(len(op.outputs)))
    return (f"  wk_tensor *results[{len(op.outputs)}];\n"
            f"  wk_op_run_all_in_scope(&wk_op_table[{op.id}], here, arguments, results);\n"
            f"  return (wk_{op.name}_result){{{fields}}};\n")


def cpp_function(op):
    required = [f for f in field_order(op) if (not f.optional if hasattr(f, "optional") else f.required)]
    return cpp.inline_function(result_type(op), f"wk_{op.name}", struct_name(op), required)


def enum_declaration(enum):
    values = "".join(f"  {enum.constant(v)} = {i},\n" for i, v in enumerate(enum.values)).rstrip(",\n")
    return f"{comment(enum.doc)}\ntypedef enum wk_{enum.name} {{\n{values}\n}} wk_{enum.name};\n\n"


def enums_header(enums):
    return (f"{NOTICE}#ifndef WICK_ENUMS_GEN_H\n#define WICK_ENUMS_GEN_H\n\n#include <wick/base.h>\n\nWK_BEGIN_C\n\n"
            + "".join(enum_declaration(e) for e in enums) + "WK_END_C\n\n#endif\n")


def enum_names(enums):
    """The tables that attributes of type enum point to."""
    parts = [NOTICE, '#include "tensor/enums.gen.h"\n\n']
    for enum in enums:
        names = ", ".join(f'"{v}"' for v in enum.values)
        parts.append(f"const char *const wk_names_of_{enum.name}[] = {{{names}, NULL}};\n")
    return "".join(parts)


def enum_names_header(enums):
    parts = [NOTICE, "#ifndef WICK_TENSOR_ENUMS_GEN_H\n#define WICK_TENSOR_ENUMS_GEN_H\n\n#include <stddef.h>\n\n"]
    parts += [f"extern const char *const wk_names_of_{e.name}[];\n" for e in enums]
    return "".join(parts) + "\n#endif\n"


def public_header(ops):
    public = [op for op in ops if not op.hidden]
    parts = [NOTICE, "#ifndef WICK_OPS_GEN_H\n#define WICK_OPS_GEN_H\n\n#include <wick/enums.gen.h>\n#include <wick/tensor.h>\n\nWK_BEGIN_C\n\n"]
    for op in public:
        parts.append(arguments_struct(op))
        parts.append(result_struct(op))
        parts.append(f"{function_doc(op)}\nWK_API {result_type(op)}wk_{op.name}_at(wk_place here, const {struct_name(op)} *arguments);\n\n")
    parts.append("WK_END_C\n\n#ifndef __cplusplus\n\n")
    for op in public:
        parts.append(f"#define wk_{op.name}(...) \\\n  wk_{op.name}_at(WK_HERE, &({struct_name(op)}){{ \\\n"
                     f"                      .struct_size = sizeof({struct_name(op)}), __VA_ARGS__}})\n")
    parts.append("\n#else\n\n")
    parts += [cpp_function(op) for op in public]
    parts.append("\n#endif\n\n#endif\n")
    return "".join(parts)


def internal_header(ops):
    parts = [NOTICE, "#ifndef WICK_OPS_RECORDS_GEN_H\n#define WICK_OPS_RECORDS_GEN_H\n\n#include \"ops/dispatch.h\"\n\nenum {\n"]
    parts += [f"  {op.id} = {i},\n" for i, op in enumerate(ops)]
    parts.append(f"  WK_OP_COUNT = {len(ops)}\n}};\n\n")
    for op in ops:
        if op.hidden:
            parts.append(arguments_struct(op) + result_struct(op))
            if len(op.outputs) > 1:
                parts.append(f"{result_type(op)}wk_{op.name}_at(wk_place here, const {struct_name(op)} *arguments);\n")
            run = f"wk_op_run_in_scope(&wk_op_table[{op.id}]," if len(op.outputs) <= 1 else f"wk_{op.name}_at("
            parts.append(f"#define wk_{op.name}(...) \\\n  {run} WK_HERE, \\\n"
                         f"                     &({struct_name(op)}){{.struct_size = sizeof({struct_name(op)}), __VA_ARGS__}})\n\n")
        if not op.pointwise and op.has_infer:
            parts.append(f"wk_status wk_infer_{op.name}(wk_call *call);\n")
        if op.composite:
            parts.append(f"wk_status wk_composite_{op.name}(wk_call *call);\n")
        if op.selective:
            parts.append(f"bool wk_is_native_{op.name}(const wk_call *call);\n")
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
        rows.append(f'    {{"{i.name}", {dtype_mask(i.dtype)}, offsetof({struct_name(op)}, {i.name}), {flags}}},\n')
    return "".join(rows)


def infer_name(op):
    if not op.has_infer:
        return "NULL"
    if not op.pointwise:
        return f"wk_infer_{op.name}"
    return "wk_infer_update" if op.steps else "wk_infer_pointwise"


def work_row(op):
    """The initialiser of a wk_work."""
    codes = {i.name: k + 1 for k, i in enumerate(op.inputs)} | {o.name: -k - 1 for k, o in enumerate(op.outputs)}
    words = op.work.split()
    counts, sized, axis, divides = [], 0, 0, "false"
    for sign, word in zip(words[1::2], words[2::2]):
        name, _, index = word.rstrip("]").partition("[")
        if index:
            sized, axis, divides = codes[name], int(index), str(sign == "/").lower()
        else:
            counts.append(codes[name])
    counts += [0] * (2 - len(counts))
    return f"{{{words[0]}, {{{counts[0]}, {counts[1]}}}, {sized}, {axis}, {divides}}}"


def rows_row(op):
    """The initialiser of a wk_rows, or nothing. Of a pointwise op every input has the results' rows."""
    rows = [i.name for i in op.inputs] if op.class_ == "pointwise" else op.rows
    if not rows and not op.sums:
        return ""
    bits = [sum(1 << k for k, i in enumerate(op.inputs) if i.name in names) for names in (rows, op.matrices)]
    sums = [op.sums.get(i.name, -1) + 1 for i in op.inputs[:2]] + [0, 0]
    return f" .rows = {{{bits[0]}, {bits[1]}, {{{sums[0]}, {sums[1]}}}}},"


def op_row(op):
    reads_inputs, reads_outputs = op.reads()
    output_dtype = DTYPES.get(op.output_dtype, "WK_DTYPE_DEFAULT")
    key = f"offsetof({struct_name(op)}, generator)" if op.class_ == "random" else "0"
    return (
        f"    [{op.id}] = {{\n"
        f'        .name = "{op.name}", .id = {op.id}, .class = WK_CLASS_{op.class_.upper()}, .hidden = {str(op.hidden).lower()},\n'
        f"        .inputs = {'inputs_' + op.name if op.inputs else 'NULL'}, .input_count = {len(op.inputs)}, .output_count = {len(op.outputs)},\n"
        f"        .output_dtype = {output_dtype}, .promotes = {str(op.promotes).lower()},"
        f"{' .autocast = WK_AUTOCAST_' + op.autocast.upper() + ',' if op.autocast else ''}"
        f"{' .work = ' + work_row(op) + ',' if op.work else ''}{rows_row(op)}\n"
        f"        .settings = {settings_row(struct_name(op), 'attributes_' + op.name, op.attributes, last_required(op))},\n"
        f"        .infer = {infer_name(op)}, .composite = {'wk_composite_' + op.name if op.composite else 'NULL'},\n"
        f"        .is_native = {'wk_is_native_' + op.name if op.selective else 'NULL'},\n"
        f"        .vjp = {'wk_vjp_' + op.name if op.has_vjp else 'NULL'},\n"
        f"        .gradient_reads_inputs = {reads_inputs}, .gradient_reads_outputs = {reads_outputs}, .random_key = {key}}},\n")


def registry(ops):
    parts = [NOTICE, '#include <math.h>\n\n#include "ops/records.gen.h"\n#include "tensor/enums.gen.h"\n\n']
    for op in ops:
        if op.inputs:
            parts.append(f"static const wk_op_input inputs_{op.name}[] = {{\n{input_rows(op)}}};\n")
    parts.append(attribute_tables((op.name, op.attributes, struct_name(op)) for op in ops))
    parts.append("\nconst int wk_op_table_count = WK_OP_COUNT;\n\nconst wk_op wk_op_table[WK_OP_COUNT] = {\n")
    parts += [op_row(op) for op in ops]
    parts.append("};\n\n")
    for op in ops:
        if op.class_ == "random":
            for field in ("keyed", "seed", "offset"):
                parts.append(f"_Static_assert(offsetof({struct_name(op)}, {field}) - offsetof({struct_name(op)}, generator) ==\n"
                             f"                   offsetof(wk_random_key, {field}),\n               \"the key's fields stand together\");\n")
        if not op.hidden or len(op.outputs) > 1:
            parts.append(f"\n{result_type(op)}wk_{op.name}_at(wk_place here, const {struct_name(op)} *arguments) {{\n"
                         f"{function_body(op)}}}\n")
    return "".join(parts)
