"""Program: export a module as a torch.export program without what does not depend on the rows.

The models keep weights of all scenarios in one tensor and compute some weights from others (SAN's
table, STAR's products). In a graph of one scenario these are constants: they are computed once,
here, and what no row needs is left out. So a model needs no second form for its graphs.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.export import Dim, ExportedProgram
from torch.fx.node import map_arg

from hinet_search.common import quiet
from hinet_search.serving.compiled.layout import INPUTS, SCENARIO
from hinet_search.serving.compiled.run import Encoded

ROWS = "rows"  # the name of the only variable size
CALL = "call_function"
CONSTANT = "get_attr"

Programs = Iterable[tuple[str, ExportedProgram]]  # the programs of all graphs by name


def program_of(module: nn.Module, inputs: Sequence[Tensor]) -> ExportedProgram:
    """Export a module for any number of rows; `inputs` are examples, rows on their first axis.

    Errors: those of torch.export, of many types.
    """
    traced = _traced(module, inputs).module(check_guards=False)
    assert isinstance(traced, fx.GraphModule), "a program unlifts to a graph"
    return _traced(_simplified(traced), inputs)


def inputs_of(encoded: Encoded) -> list[Tensor]:
    """Return encoded rows as the inputs of a program, in its order."""
    names = [each for each in (*INPUTS, SCENARIO) if each in encoded]
    return [torch.from_numpy(encoded[name]) for name in names]


def _traced(module: nn.Module, inputs: Sequence[Tensor]) -> ExportedProgram:
    rows = Dim(ROWS, min=1)
    shapes = tuple({0: rows} for _ in inputs)
    with torch.no_grad():  # else a part of a model without gradients becomes a graph of its own
        program: ExportedProgram = torch.export.export(module, tuple(inputs), dynamic_shapes=shapes)
    schemas = (getattr(node.target, "_schema", None) for node in program.graph.nodes)
    if any(schema is not None and schema.is_mutable for schema in schemas):
        with quiet.without(FutureWarning):  # of torch, at its own calls
            program = program.run_decompositions({})  # into others that leave their arguments alone
    return program


def _simplified(module: fx.GraphModule) -> fx.GraphModule:
    """Compute what depends on no input now, and everything else once."""
    graph = module.graph
    known = dict[str, fx.Node]()
    constants: dict[fx.Node, Any] = {}
    for node in list(graph.nodes):
        if node.op not in (CALL, CONSTANT):
            continue
        _leave_out_empty(node)
        same = known.setdefault(f"{node.target} {node.args} {node.kwargs}", node)
        if same is not node:
            node.replace_all_uses_with(same)
            graph.erase_node(node)
        elif node.op == CONSTANT:
            parent, _, name = str(node.target).rpartition(".")
            constants[node] = getattr(module.get_submodule(parent), name)
        elif all(argument in constants for argument in node.all_input_nodes):
            args, kwargs = map_arg((node.args, node.kwargs), constants.__getitem__)
            with torch.no_grad():
                constants[node] = node.target(*args, **kwargs)  # type: ignore[operator]  # a call
    _store(module, constants)
    graph.eliminate_dead_code()
    return fx.GraphModule(module, graph)  # with those buffers alone that the graph reads


def _leave_out_empty(node: fx.Node) -> None:
    """Leave out what adds no row to a concatenation: the rows of other scenarios."""
    if node.target != torch.ops.aten.cat.default:
        return
    tensors: Any = node.args[0]
    dim = node.args[1] if len(node.args) > 1 else 0
    present = []
    for each in tensors:
        size = each.meta["val"].shape[dim]
        if not isinstance(size, int) or size > 0:  # a variable size is no int
            present.append(each)
    node.update_arg(0, present or tensors)
    if len(present) == 1:
        node.replace_all_uses_with(present[0])


def _store(module: fx.GraphModule, constants: dict[fx.Node, Any]) -> None:
    """Read constants that are used with inputs from buffers."""
    for number, (node, value) in enumerate(constants.items()):
        if all(user in constants for user in node.users):
            continue
        name = f"constant_{number}"
        # A view would be stored with all that it is a view of.
        is_whole = value.is_contiguous() and value.untyped_storage().nbytes() == value.nbytes
        buffer = value.detach()
        module.register_buffer(name, buffer if is_whole else buffer.clone().contiguous())
        with module.graph.inserting_before(node):
            node.replace_all_uses_with(module.graph.get_attr(name))
