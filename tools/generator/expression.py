# SPDX-License-Identifier: Apache-2.0
"""The small language of pointwise maths, and its printers.

An expression is Python syntax over names of inputs and attributes: + - * /, one comparison, `and`, `or` and
`not` of comparisons, numbers, and the functions of FUNCTIONS, each a public op with as many operands.
A Printer turns it into C; each target overrides a few methods."""
import ast
import copy

FUNCTIONS = {name: 1 for name in (
    "exp log sqrt tanh sigmoid abs sign floor ceil round trunc exp2 expm1 log1p log2 log10 sin cos tan asin acos atan "
    "sinh cosh asinh acosh atanh erf erfc erfinv ndtr lgamma digamma trigamma cbrt is_finite square").split()}
FUNCTIONS |= {name: 2 for name in (
    "maximum minimum power atan2 fmod remainder floor_divide hypot copysign logaddexp bitwise_and bitwise_or "
    "bitwise_xor left_shift right_shift polygamma").split()}
FUNCTIONS |= {"where": 3}
OPERATORS = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}
COMPARISONS = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!="}
LOGIC = {ast.And: "and", ast.Or: "or"}


def parse(text):
    return ast.parse(text.strip(), mode="eval").body


def substitute(text, definitions):
    """`text` with the names that `definitions` gives replaced by what they stand for; later ones may use earlier."""
    known = {}

    class Replace(ast.NodeTransformer):
        def visit_Name(self, node):
            return copy.deepcopy(known.get(node.id, node))

        def visit_Call(self, node):
            node.args = [self.visit(argument) for argument in node.args]
            return node

    for name, value in definitions.items():
        known[name] = Replace().visit(parse(value))
    return ast.unparse(Replace().visit(parse(text))) if definitions else text


def names(text):
    """Every name in the expression that is not a function."""
    tree = parse(text)
    called = {id(n.func) for n in ast.walk(tree) if isinstance(n, ast.Call)}
    return {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and id(n) not in called}


def functions(text):
    return {n.func.id for n in ast.walk(parse(text)) if isinstance(n, ast.Call)}


def operations(text):
    """How many operators and calls it has."""
    counted = (ast.BinOp, ast.Compare, ast.BoolOp, ast.Call, ast.UnaryOp)
    return sum(isinstance(n, counted) for n in ast.walk(parse(text)))


def uses(tree):
    """How often each part of the expression is used, by its dump, where equal parts are worked out once."""
    counts = {}

    def visit(node):
        key = ast.dump(node)
        counts[key] = counts.get(key, 0) + 1
        if counts[key] == 1 and isinstance(node, ast.expr):
            for child in ast.iter_child_nodes(node):
                visit(child)

    visit(tree)
    return counts


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

    def logic(self, operator, a, b):
        return f"({a} {'&&' if operator == 'and' else '||'} {b})"

    def negation(self, a):
        return f"(!{a})"

    def condition(self, node):
        """A node used as a truth value: a comparison, logic, or the name of a bool input."""
        if isinstance(node, (ast.Compare, ast.BoolOp)) or (isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)):
            return self.print(node)
        return f"({self.print(node)} != 0)"

    def where(self, condition, a, b):
        return f"({condition} ? {a} : {b})"

    def call(self, function, arguments):
        return f"{function}({', '.join(arguments)})"

    def print_logic(self, node):
        result = self.condition(node.values[0])
        for value in node.values[1:]:
            result = self.logic(LOGIC[type(node.op)], result, self.condition(value))
        return result

    def print_unary(self, node):
        if isinstance(node.op, ast.Not):
            return self.negation(self.condition(node.operand))
        if isinstance(node.operand, ast.Constant):
            return self.number(-node.operand.value)
        return self.negative(self.print(node.operand))

    def print(self, node):
        if isinstance(node, ast.Name):
            return self.name(node.id)
        if isinstance(node, ast.Constant):
            return self.number(node.value)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.Not)):
            return self.print_unary(node)
        if isinstance(node, ast.BinOp):
            return self.binary(OPERATORS[type(node.op)], self.print(node.left), self.print(node.right))
        if isinstance(node, ast.BoolOp):
            return self.print_logic(node)
        if isinstance(node, ast.Compare):
            return self.compare(COMPARISONS[type(node.ops[0])], self.print(node.left), self.print(node.comparators[0]))
        if isinstance(node, ast.Call) and FUNCTIONS.get(node.func.id) == len(node.args):
            if node.func.id == "where":
                return self.where(self.condition(node.args[0]), *[self.print(a) for a in node.args[1:]])
            return self.call(node.func.id, [self.print(a) for a in node.args])
        raise SystemExit(f"schema: cannot read expression: {ast.unparse(node)}")

    def text(self, text):
        return self.print(parse(text))
