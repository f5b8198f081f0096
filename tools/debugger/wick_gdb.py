# SPDX-License-Identifier: Apache-2.0
"""gdb and Wick: `print tensor`, `print network`, `print shape` show what they hold, in a running
program and in a core dump; `wick-error` shows the pending error and `wick-scopes` what the scopes of
the selected thread hold. gdb loads this by itself with an installed libwick.so; otherwise
`source .../share/wick/debugger/wick_gdb.py`."""

import os
import sys

import gdb
import gdb.printing

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import wick_objects  # noqa: E402 (found through the line above)


class Inferior:
    """The selected program, as wick_objects wants it."""

    def read(self, address, size):
        return gdb.selected_inferior().read_memory(address, size).tobytes()

    def symbol(self, name):
        try:
            return int(gdb.parse_and_eval(f"(unsigned long)&{name}"))
        except gdb.error:
            return 0


def memory():
    order = ">" if "big endian" in gdb.execute("show endian", to_string=True) else "<"
    return wick_objects.Memory(Inferior(), gdb.lookup_type("long").sizeof, order)


def guarded(describe, value):
    """The text, or why there is none: a printer must not fail."""
    try:
        return describe(memory(), int(value))
    except (wick_objects.Unreadable, gdb.error, KeyError) as problem:
        return f"{int(value):#x} ({problem})"


class TensorPrinter:
    """A wk_tensor *."""

    def __init__(self, value):
        self.value = value

    def to_string(self):
        return guarded(wick_objects.describe_tensor, self.value)


class ModulePrinter:
    """A wk_module *, with all below it."""

    def __init__(self, value):
        self.value = value

    def to_string(self):
        return guarded(wick_objects.module_tree, self.value)


class ShapePrinter:
    """A wk_shape: "[64, 28, 28, 1]"."""

    def __init__(self, value):
        self.value = value

    def to_string(self):
        dims = [int(self.value["dims"][i]) for i in range(int(self.value["rank"]))]
        return str(dims)


class TensorsPrinter:
    """A wk_tensors, with its tensors."""

    def __init__(self, value):
        self.value = value

    def to_string(self):
        return f"{int(self.value['count'])} tensors"

    def children(self):
        for i in range(int(self.value["count"])):
            yield f"[{i}]", self.value["item"][i]


class ErrorPrinter:
    """A wk_error that wk_error_take filled."""

    def __init__(self, value):
        self.value = value

    def to_string(self):
        def text(name):
            return self.value[name].string() if int(self.value[name]) else ""
        where = f", at {text('module_path')}" if text("module_path") else ""
        place = f", called from {text('file')}:{int(self.value['line'])}" if text("file") else ""
        lines = [f"{self.value['status']} in {text('op')}{where}{place}"]
        lines += [text(name) for name in ("shapes", "message", "hint", "cause") if text(name)]
        return "\n  ".join("\n".join(lines).split("\n"))


POINTERS = {"wk_tensor": TensorPrinter, "wk_module": ModulePrinter}
STRUCTS = {"wk_shape": ShapePrinter, "wk_tensors": TensorsPrinter, "wk_error": ErrorPrinter}


class Printers(gdb.printing.PrettyPrinter):
    """Finds the printer for a value, by the tag of its struct or of the struct it points to."""

    def __call__(self, value):
        kind = value.type.strip_typedefs()
        if kind.code == gdb.TYPE_CODE_PTR:
            printer = POINTERS.get(kind.target().strip_typedefs().unqualified().tag)
        else:
            printer = STRUCTS.get(kind.unqualified().tag)
        return printer(value) if printer else None


class TextCommand(gdb.Command):
    """Shows the text that a function of the library writes into a buffer; calls it in the program."""

    SIZE = 16384

    def __init__(self, name, function, nothing, doc):
        self.__doc__ = doc
        super().__init__(name, gdb.COMMAND_DATA)
        self.function = function
        self.nothing = nothing

    def invoke(self, argument, from_tty):
        buffer = int(gdb.parse_and_eval(f"((unsigned long (*)(unsigned long))malloc)({self.SIZE})"))
        call = "((unsigned long (*)(char *, unsigned long))%s)((char *)%d, %d)"
        try:
            length = int(gdb.parse_and_eval(call % (self.function, buffer, self.SIZE)))
            text = bytes(Inferior().read(buffer, min(length, self.SIZE - 1))).decode("utf-8", "replace")
        finally:
            gdb.execute(f"call (void)((void (*)(unsigned long))free)({buffer})", to_string=True)
        gdb.write(text.rstrip("\n") + "\n" if text else self.nothing + "\n")


gdb.printing.register_pretty_printer(None, Printers("wick"), replace=True)
TextCommand("wick-error", "wk_error_text", "no error is pending",
            "Show the error that is pending in the selected thread.")
TextCommand("wick-scopes", "wk_scope_report", "",
            "Show what the scopes of the selected thread hold most of.")
