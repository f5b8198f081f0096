# SPDX-License-Identifier: Apache-2.0
"""The small language of pointwise maths, and its printers.

An expression is Python syntax over names of inputs and attributes: + - * /, one comparison, numbers,
and the functions of FUNCTIONS. A Printer turns it into C; each target overrides a few methods."""
import ast

FUNCTIONS = {"exp": 1, "log": 1, "sqrt": 1, "tanh": 1, "sigmoid": 1, "maximum": 2, "minimum": 2, "where": 3}
OPERATORS = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}
COMPARISONS = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!="}


def parse(text):
    return ast.parse(text.strip(), mode="eval").body


def names(text):
    """Every name in the expression that is not a function."""
    return {n.id for n in ast.walk(parse(text)) if isinstance(n, ast.Name)} - set(FUNCTIONS)


def functions(text):
    return {n.func.id for n in ast.walk(parse(text)) if isinstance(n, ast.Call)}


def is_comparison(text):
    return isinstance(parse(text), ast.Compare)


def is_one_operation(text):
    node = parse(text)
    return isinstance(node, ast.BinOp) and isinstance(node.left, ast.Name) and isinstance(node.right, ast.Name)


class Printer:
    """Prints plain C on scalars. `scalars` are names printed as they are given by `name`."""

    def __init__(self, name):
        self.name = name  # name in the record -> C text

    def number(self, value):
        return repr(float(value))

    def binary(self, operator, a, b):
        return f"({a} {operator} {b})"

    def negative(self, a):
        return f"(-{a})"

    def compare(self, operator, a, b):
        return f"({a} {operator} {b})"

    def condition(self, node):
        """A node used as a truth value: a comparison, or the name of a bool input."""
        if isinstance(node, ast.Compare):
            return self.print(node)
        return f"({self.print(node)} != 0)"

    def where(self, condition, a, b):
        return f"({condition} ? {a} : {b})"

    def call(self, function, arguments):
        return f"{function}({', '.join(arguments)})"

    def print(self, node):
        if isinstance(node, ast.Name):
            return self.name(node.id)
        if isinstance(node, ast.Constant):
            return self.number(node.value)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            return self.negative(self.print(node.operand))
        if isinstance(node, ast.BinOp):
            return self.binary(OPERATORS[type(node.op)], self.print(node.left), self.print(node.right))
        if isinstance(node, ast.Compare):
            return self.compare(COMPARISONS[type(node.ops[0])], self.print(node.left), self.print(node.comparators[0]))
        if isinstance(node, ast.Call) and FUNCTIONS.get(node.func.id) == len(node.args):
            if node.func.id == "where":
                return self.where(self.condition(node.args[0]), *[self.print(a) for a in node.args[1:]])
            return self.call(node.func.id, [self.print(a) for a in node.args])
        raise SystemExit(f"schema: cannot read expression: {ast.unparse(node)}")

    def text(self, text):
        return self.print(parse(text))
