# SPDX-License-Identifier: Apache-2.0
"""C++ has no compound literals: where C has a macro, it has an inline function."""


def inline_function(result, name, struct, required):
    """`result` NAME(what must be given, then a struct for the rest), over NAME_at. Pairs and triples, which are
    arrays, are always in the struct."""
    required = [field for field in required if getattr(field, "type", "") not in ("pair", "triple")]
    parameters = "".join(f"{field.declaration().rstrip(';')}, " for field in required)
    given = "".join(f"  arguments.{field.name} = {field.name};\n" for field in required)
    return (f"inline {result}{name}({parameters}{struct} arguments = {{}},\n"
            f"                           wk_place here = wk_place_of_caller()) {{\n"
            f"  arguments.struct_size = sizeof arguments;\n{given}  return {name}_at(here, &arguments);\n}}\n")
