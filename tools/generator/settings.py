# SPDX-License-Identifier: Apache-2.0
"""Layers and optimizers: their structs of settings, tables and constructors."""
from . import cpp
from .records import NOTICE, attribute_tables, comment, settings_row


class MODULE:
    """The first field of every optimizer's settings."""
    name = "module"
    doc = "built; whose parameters it updates; outlives it"

    @staticmethod
    def declaration():
        return "wk_module *module;"


def struct(name, kind):
    return f"wk_{name}_{kind}_arguments" if kind == "layer" else f"wk_{name}_arguments"


def declaration(s, kind, leading=()):
    lines = ["  size_t struct_size;"] + [f"  {a.declaration()} /* {a.doc} */" for a in leading]
    lines += [f"  {a.declaration()} /* {a.doc} */" for a in s.attributes]
    return f"typedef struct {struct(s.name, kind)} {{\n" + "\n".join(lines) + f"\n}} {struct(s.name, kind)};\n"


def macro(function, arguments):
    return (f"#define {function}(...) \\\n  {function}_at(WK_HERE, &({arguments}){{ \\\n"
            f"                      .struct_size = sizeof({arguments}), __VA_ARGS__}})\n")


def required(s):
    return [a for a in s.attributes if a.required]


def constructors(macros, functions):
    """What C and C++ programs call, at the end of a header."""
    return ("WK_END_C\n\n#ifndef __cplusplus\n\n" + "".join(macros) + "\n#else\n\n" + "".join(functions)
            + "\n#endif\n\n#endif\n")


def layers_header(layers):
    parts = [NOTICE, "#ifndef WICK_LAYERS_GEN_H\n#define WICK_LAYERS_GEN_H\n\n#include <wick/enums.gen.h>\n#include <wick/tensor.h>\n\nWK_BEGIN_C\n\n"
             "typedef struct wk_module wk_module;\n\n"]
    for s in layers:
        parts.append(declaration(s, "layer"))
        parts.append(comment(s.doc + " Freed with wk_module_free unless something takes it. [any thread]") + "\n")
        parts.append(f"WK_API wk_module *wk_{s.name}_layer_at(wk_place here, const {struct(s.name, 'layer')} *arguments);\n\n")
    parts.append(constructors(
        [macro(f"wk_{s.name}_layer", struct(s.name, "layer")) for s in layers],
        [cpp.inline_function("wk_module *", f"wk_{s.name}_layer", struct(s.name, "layer"), required(s)) for s in layers]))
    return "".join(parts)


def last_required(s):
    return required(s)[-1].name if required(s) else ""


def tables(settings, kind):
    return attribute_tables((s.name, s.attributes, struct(s.name, kind)) for s in settings)


def layers_table(layers):
    parts = [NOTICE, '#include <math.h>\n\n#include "nn/layer.h"\n#include "tensor/enums.gen.h"\n\n', tables(layers, "layer")]
    for s in layers:
        parts.append(f"wk_tensor *wk_layer_forward_{s.name}(wk_module *self, wk_tensor *x);\n")
        if s.builds:
            parts.append(f"wk_status wk_layer_build_{s.name}(wk_module *self, wk_tensor *x);\n")
    parts.append("\nconst wk_layer_type wk_layer_table[] = {\n")
    for s in layers:
        build = f"wk_layer_build_{s.name}" if s.builds else "NULL"
        parts.append(f'    {{"{s.name}", {settings_row(struct(s.name, "layer"), "attributes_" + s.name, s.attributes, last_required(s))},\n'
                     f"     {build}, wk_layer_forward_{s.name}}},\n")
    parts.append(f"}};\n\nconst int wk_layer_table_count = {len(layers)};\n")
    for i, s in enumerate(layers):
        parts.append(f"\nwk_module *wk_{s.name}_layer_at(wk_place here, const {struct(s.name, 'layer')} *arguments) {{\n"
                     f"  return wk_layer_create(&wk_layer_table[{i}], here, arguments);\n}}\n")
    return "".join(parts)


def optimizers_header(optimizers):
    parts = [NOTICE, "#ifndef WICK_OPTIMIZERS_GEN_H\n#define WICK_OPTIMIZERS_GEN_H\n\n#include <wick/tensor.h>\n\nWK_BEGIN_C\n\n"
             "typedef struct wk_module wk_module;\ntypedef struct wk_optimizer wk_optimizer;\n\n"]
    for s in optimizers:
        parts.append(declaration(s, "optimizer", [MODULE]))
        parts.append(comment(s.doc + " Freed with wk_optimizer_free. [any thread]") + "\n")
        parts.append(f"WK_API wk_optimizer *wk_{s.name}_create_at(wk_place here, const {struct(s.name, 'optimizer')} *arguments);\n\n")
    parts.append(constructors(
        [macro(f"wk_{s.name}_create", struct(s.name, "optimizer")) for s in optimizers],
        [cpp.inline_function("wk_optimizer *", f"wk_{s.name}_create", struct(s.name, "optimizer"),
                             [MODULE] + required(s)) for s in optimizers]))
    return "".join(parts)


def when(s, slot):
    """A bit mask of the settings of which one must be set for the slot to be used; 0: it always is."""
    names = [a.name for a in s.attributes]
    return sum(1 << names.index(name) for name in slot.get("when", []))


def optimizers_table(optimizers):
    parts = [NOTICE, '#include <math.h>\n\n#include "optim/optimizer.h"\n\n', tables(optimizers, "optimizer")]
    for s in optimizers:
        rows = ", ".join(f'{{"{slot["name"]}", {when(s, slot)}}}' for slot in s.slots)
        parts.append(f"static const wk_slot slots_{s.name}[] = {{{rows}}};\n")
        parts.append(f"int wk_optimizer_fill_{s.name}(const wk_update *update, void *arguments);\n\n")
    parts.append("const wk_optimizer_type wk_optimizer_table[] = {\n")
    for s in optimizers:
        parts.append(f'    {{"{s.name}", {settings_row(struct(s.name, "optimizer"), "attributes_" + s.name, s.attributes, "module")},\n'
                     f"     slots_{s.name}, {len(s.slots)}, wk_optimizer_fill_{s.name}}},\n")
    parts.append(f"}};\n\nconst int wk_optimizer_table_count = {len(optimizers)};\n")
    return "".join(parts)


def optimizers_constructors(optimizers):
    """They stand in train/, the lowest room that sees both modules and optimizers."""
    parts = [NOTICE, '#include <wick/nn.h>\n\n#include "base/error.h"\n#include "optim/optimizer.h"\n']
    for i, s in enumerate(optimizers):
        parts.append(f"\nwk_optimizer *wk_{s.name}_create_at(wk_place here, const {struct(s.name, 'optimizer')} *arguments) {{\n"
                     f"  if (wk_failed()) return NULL;\n"
                     f"  wk_parameters *parameters = wk_module_parameters(arguments ? arguments->module : NULL);\n"
                     f"  return wk_optimizer_create_type(&wk_optimizer_table[{i}], parameters, here, arguments);\n}}\n")
    return "".join(parts)
