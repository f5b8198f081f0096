# SPDX-License-Identifier: Apache-2.0
"""Wick's objects as text, read from the memory of a program or a core dump: what the scripts for gdb
and lldb share. Nothing is called in the program, and its debug information is not needed: the library
carries tables of where its fields lie (wk_debug_tensor_fields and its like).

A debugger is given as an object with read(address, size) -> bytes and symbol(name) -> address or 0,
which raise what they like when memory cannot be read."""

import math
import struct

DTYPES = {1: ("f32", "f"), 2: ("f64", "d"), 3: ("i64", "q"), 4: ("i32", "i"), 5: ("u8", "B"),
          6: ("bool", "?")}
MOST_RANK = 8
MOST_ITEMS = 32  # tensors with more show the ends of their dimensions: so many items
EDGE = 2         # of the last one, and one of the others
MODULE_STATES = {0: "not built", 1: "being built", 2: "built"}


class Unreadable(Exception):
    """What lies at an address is no such object, or the library is of another kind."""


class Memory:
    """Numbers, pointers and strings of the program, and where Wick's fields lie in it."""

    def __init__(self, debugger, pointer_size=8, byte_order="<"):
        self.debugger = debugger
        self.pointer_size = pointer_size
        self.byte_order = byte_order
        self.fields = {}
        for table in ("wk_debug_tensor_fields", "wk_debug_module_fields"):
            self._read_table(debugger.symbol(table))

    def _read_table(self, address):
        while address:
            name = self.pointer(address)
            if not name:
                return
            self.fields[self.text(name)] = self.pointer(address + self.pointer_size)
            address += 2 * self.pointer_size

    def numbers(self, address, code, count=1):
        size = struct.calcsize("=" + code)
        raw = self.debugger.read(address, size * count)
        return struct.unpack(f"{self.byte_order}{count}{code}", bytes(raw))

    def pointer(self, address):
        return self.numbers(address, "Q" if self.pointer_size == 8 else "I")[0]

    def text(self, address, most=256):
        """The string at `address`, "" for NULL."""
        found = b""
        while address and len(found) < most:
            byte = bytes(self.debugger.read(address + len(found), 1))
            if byte == b"\0":
                break
            found += byte
        return found.decode("utf-8", "replace")

    def at(self, address, field):
        """Address of a field of the object at `address`."""
        if field not in self.fields:
            raise Unreadable(f"the library has no table with {field}")
        return address + self.fields[field]

    def field(self, address, field, code):
        return self.numbers(self.at(address, field), code)[0]

    def pointer_in(self, address, field):
        return self.pointer(self.at(address, field))

    def text_in(self, address, field):
        return self.text(self.pointer_in(address, field))


class Tensor:
    """A wk_tensor."""

    def __init__(self, memory, address):
        self.memory = memory
        dtype = memory.field(address, "tensor.layout.dtype", "i")
        self.rank = memory.field(address, "tensor.layout.rank", "i")
        if dtype not in DTYPES or not 0 <= self.rank <= MOST_RANK:
            raise Unreadable(f"no tensor at {address:#x}")
        self.dtype, self.code = DTYPES[dtype]
        self.dims = memory.numbers(memory.at(address, "tensor.layout.dims"), "q", self.rank)
        self.strides = memory.numbers(memory.at(address, "tensor.layout.strides"), "q", self.rank)
        self.name = memory.text_in(address, "tensor.name")
        self.producer = memory.text_in(address, "tensor.producer")
        self.module_path = memory.text_in(address, "tensor.module_path")
        self.wants_gradient = memory.field(address, "tensor.requires_gradient", "?")
        self.frozen = memory.field(address, "tensor.frozen", "?")
        root = memory.pointer_in(address, "tensor.root")
        storage = memory.pointer_in(root, "root.storage")
        device = memory.pointer_in(storage, "storage.device")
        self.device = memory.text_in(device, "device.name")
        self.on_host = memory.field(device, "device.host_memory", "?")
        offset = memory.field(address, "tensor.offset", "q")
        self.size = struct.calcsize("=" + self.code)
        self.data = (memory.pointer_in(storage, "storage.data") +
                     memory.pointer_in(root, "root.offset") + offset * self.size)

    def is_contiguous(self):
        expected = 1
        for dim, stride in zip(reversed(self.dims), reversed(self.strides)):
            if dim != 1 and stride != expected:
                return False
            expected *= dim
        return True

    def head(self):
        text = f"{self.dtype} {list(self.dims)}"
        for more in (self.name, self.producer):
            text += f" {more}" if more else ""
        text += f" at {self.module_path}" if self.module_path else ""
        text += f", on {self.device}" if self.device != "cpu" else ""
        text += "" if self.is_contiguous() else f", strides {list(self.strides)}"
        if self.wants_gradient:
            text += ", frozen" if self.frozen else ", requires gradient"
        return text

    def _item(self, position):
        value, = self.memory.numbers(self.data + position * self.size, self.code)
        if isinstance(value, bool):
            return str(value).lower()
        return format_float(value) if isinstance(value, float) else str(value)

    def _values(self, axis, position, all_items):
        if axis == self.rank:
            return self._item(position)
        dim, stride = self.dims[axis], self.strides[axis]
        shown = list(range(dim))
        edge = EDGE if axis == self.rank - 1 else 1
        gap = not all_items and dim > 2 * edge
        if gap:
            shown = shown[:edge] + shown[-edge:]
        items = [self._values(axis + 1, position + i * stride, all_items) for i in shown]
        if gap:
            items.insert(edge, "...")
        return "[" + ", ".join(items) + "]"

    def values(self):
        if not self.on_host:
            return "(not in the host's memory)"
        count = math.prod(self.dims)
        return self._values(0, 0, count <= MOST_ITEMS) if count else "[]"


def format_float(value):
    """Four decimals, as wk_tensor_text has them, where these tell enough."""
    if not math.isfinite(value):
        return {True: "nan"}.get(math.isnan(value), "inf" if value > 0 else "-inf")
    return f"{value:.4f}" if value == 0 or 1e-3 <= abs(value) < 1e6 else f"{value:.4e}"


def describe_tensor(memory, address):
    """As wk_describe: "f32 [2, 3] relu at network.1 (relu), requires gradient: [[...]]"."""
    if not address:
        return "NULL"
    tensor = Tensor(memory, address)
    return f"{tensor.head()}: {tensor.values()}"


def module_children(memory, address):
    """The addresses of the module's children."""
    first = memory.pointer_in(address, "module.children")
    count = memory.pointer_in(address, "module.child_count")
    size = memory.fields["child.size"]
    return [memory.pointer_in(first + i * size, "child.module") for i in range(count)]


def module_parameters(memory, address):
    """The addresses of the tensors that belong to the module itself."""
    first = memory.pointer_in(address, "module.parameters")
    count = memory.pointer_in(address, "module.parameter_count")
    size = memory.fields["own_parameter.size"]
    return [memory.pointer_in(first + i * size, "own_parameter.tensor") for i in range(count)]


def describe_module(memory, address):
    """"network.0 (conv2d), built, training: 0.weight f32 [32, 3, 3, 1], 0.bias f32 [32]"."""
    if not address:
        return "NULL"
    state = memory.field(address, "module.state", "i")
    if state not in MODULE_STATES:
        raise Unreadable(f"no module at {address:#x}")
    mode = "training" if memory.field(address, "module.training", "?") else "evaluation"
    text = f"{memory.text_in(address, 'module.label')}, {MODULE_STATES[state]}, {mode}"
    tensors = [Tensor(memory, tensor) for tensor in module_parameters(memory, address)]
    parameters = ", ".join(f"{t.name} {t.dtype} {list(t.dims)}" for t in tensors)
    return f"{text}: {parameters}" if parameters else text


def module_tree(memory, address, indent=""):
    """The module and all below it, a line each."""
    lines = [indent + describe_module(memory, address)]
    for child in module_children(memory, address) if address else []:
        lines.append(module_tree(memory, child, indent + "  "))
    return "\n".join(lines)
