"""Changes of one line of a module that a test should notice: a comparison flipped, a constant off by one, a condition negated.

Left alone are annotations, decorators, docstrings, texts, errors, assertions, imports, and what only type checkers read.
"""

import ast
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

OPERATORS: dict[type[ast.AST], tuple[str, str]] = {
    ast.Lt: ("<", "<="),
    ast.LtE: ("<=", "<"),
    ast.Gt: (">", ">="),
    ast.GtE: (">=", ">"),
    ast.Eq: ("==", "!="),
    ast.NotEq: ("!=", "=="),
    ast.Is: ("is", "is not"),
    ast.IsNot: ("is not", "is"),
    ast.In: ("in", "not in"),
    ast.NotIn: ("not in", "in"),
    ast.Add: ("+", "-"),
    ast.Sub: ("-", "+"),
    ast.Mult: ("*", "/"),
    ast.Div: ("/", "*"),
    ast.FloorDiv: ("//", "*"),
    ast.Pow: ("**", "*"),
    ast.And: ("and", "or"),
    ast.Or: ("or", "and"),
}
FUNCTIONS = {"min": "max", "max": "min", "any": "all", "all": "any"}
NEGATED = {"bool": "not", "int": "-", "float": "-"}  # what a function returns
LEFT_ALONE = (ast.Raise, ast.Assert, ast.Import, ast.ImportFrom, ast.JoinedStr)
SAYING = {"print", "echo", "secho", "warn", "warning", "info", "debug", "log", "_say"}
NAMES_LEFT_ALONE = {"__all__", "ORDER"}


@dataclass(frozen=True)
class Change:
    """Bytes of a line that become others: `old` the first time it stands there, all of them if it is empty."""

    kind: str
    line: int  # from 1
    start: int
    end: int
    new: str
    old: str = ""

    def of(self, line: str) -> str:
        """Return the line with the change."""
        raw = line.encode()
        here = raw[self.start : self.end].decode()
        changed = here.replace(self.old or here, self.new, 1)
        return raw[: self.start].decode() + changed + raw[self.end :].decode()


@dataclass(frozen=True)
class Mutant:
    """A line of a file, and what it becomes; both without indentation, as other changes may move the line."""

    file: str
    line: str
    mutated: str

    def applied_to(self, text: str) -> str | None:
        """Return the text of the file with the mutant, None unless exactly one line is that line."""
        lines = text.split("\n")
        numbers = [number for number, line in enumerate(lines) if line.strip() == self.line]
        if len(numbers) != 1:
            return None
        (number,) = numbers
        lines[number] = lines[number].replace(self.line, self.mutated)
        return "\n".join(lines)


def mutants_of(file: str, text: str) -> dict[str, list[Mutant]]:
    """Return the mutants of a file by kind; each can be found by its line."""
    lines = text.split("\n")
    seen = Counter(line.strip() for line in lines)
    kinds: dict[str, list[Mutant]] = {}
    for change in _changes(ast.parse(text)):
        line = lines[change.line - 1]
        mutant = Mutant(file, line.strip(), change.of(line).strip())
        if seen[mutant.line] == 1:
            kinds.setdefault(change.kind, []).append(mutant)
    return kinds


def compiles(text: str) -> bool:
    """Whether a text is a module."""
    try:
        ast.parse(text)
    except SyntaxError:
        return False
    return True


def _changes(node: ast.AST, returns: str = "") -> Iterator[Change]:
    """Yield the changes of a node and all below it; `returns` is what the function around it returns."""
    if isinstance(node, LEFT_ALONE) or _is_left_alone(node):
        return
    yield from _changes_here(node, returns)
    if isinstance(node, ast.FunctionDef):
        returns = ast.unparse(node.returns) if node.returns else ""
    for child in _children(node):
        yield from _changes(child, returns)


def _is_left_alone(node: ast.AST) -> bool:
    if isinstance(node, ast.If):
        return "TYPE_CHECKING" in ast.unparse(node.test)
    if isinstance(node, ast.Call):
        return ast.unparse(node.func).split(".")[-1] in SAYING
    if isinstance(node, ast.Assign):
        return any(getattr(target, "id", "") in NAMES_LEFT_ALONE for target in node.targets)
    return False


def _children(node: ast.AST) -> list[ast.AST]:
    """Return what is below a node, without decorators, and of annotations only calls: `Field(ge=1)`."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return [*node.args.defaults, *filter(None, node.args.kw_defaults), *node.body]
    if isinstance(node, ast.ClassDef):
        return [*node.body]
    if isinstance(node, ast.AnnAssign):
        calls = [below for below in ast.walk(node.annotation) if isinstance(below, ast.Call)]
        return [*calls, *filter(None, [node.value])]
    return [*ast.iter_child_nodes(node)]


def _changes_here(node: ast.AST, returns: str) -> Iterator[Change]:
    match node:
        case ast.Compare(left=left, ops=[operator], comparators=[right]):
            yield from _between("comparison", left, operator, right)
        case ast.BinOp(left=left, op=operator, right=right) if not _is_text(left, right):
            yield from _between("arithmetic", left, operator, right)
        case ast.BoolOp(op=operator, values=[left, right, *_]):
            yield from _between("and, or", left, operator, right)
        case ast.Constant():
            yield from _other_constant(node)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield from _instead("condition", node, f"bool({ast.unparse(operand)})")
        case ast.If(test=test) | ast.IfExp(test=test) if _is_plain(test):
            yield from _instead("condition", test, f"(not ({ast.unparse(test)}))")
        case ast.Call(func=ast.Name(id=name) as function) if name in FUNCTIONS:
            yield from _instead("function", function, FUNCTIONS[name])
        case ast.Return(value=ast.expr() as value) if returns in NEGATED:
            yield from _instead("result", value, f"{NEGATED[returns]} ({ast.unparse(value)})")


def _is_plain(condition: ast.expr) -> bool:
    """Whether no operator of a condition is changed anyway."""
    return not isinstance(condition, ast.UnaryOp | ast.Compare)


def _other_constant(node: ast.Constant) -> Iterator[Change]:
    match node.value:
        case bool(value):
            yield from _instead("true, false", node, str(not value))
        case int(value):
            yield from _instead("constant", node, str(value + 1))
        case float(value) if 0 < value < 1e6:
            yield from _instead("constant", node, str(value * 2))


def _is_text(*nodes: ast.expr) -> bool:
    return any(
        isinstance(node, ast.JoinedStr)
        or (isinstance(node, ast.Constant) and isinstance(node.value, str))
        for node in nodes
    )


def _between(kind: str, left: ast.expr, operator: ast.AST, right: ast.expr) -> Iterator[Change]:
    """Another operator between two operands on one line."""
    is_one_line = left.end_lineno == right.lineno
    if is_one_line and type(operator) in OPERATORS and left.end_col_offset is not None:
        old, new = OPERATORS[type(operator)]
        yield Change(kind, right.lineno, left.end_col_offset, right.col_offset, new, old)


def _instead(kind: str, node: ast.expr, text: str) -> Iterator[Change]:
    """Another expression on one line."""
    if node.lineno == node.end_lineno and node.end_col_offset is not None:
        yield Change(kind, node.lineno, node.col_offset, node.end_col_offset, text)
