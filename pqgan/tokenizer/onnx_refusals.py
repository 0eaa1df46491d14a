"""Operators of an ONNX graph that fail on inputs which are not allowed, named after the reason.

A runtime's message has the name of the operator that failed, and a zero that is looked up where there is none is the
only way to fail that ONNX has. Values are looked at by the traced network (onnx_graphs.Refusal). Shapes cannot be:
torch's exporter takes what it is told of them for certain and drops what would look.
"""

from .onnx_names import DECODER, ENCODER

VALUES = {ENCODER: "images_have_a_value_outside_minus_2_to_2", DECODER: "codes_have_one_outside_0_to_K_minus_1"}
"""Of the refusal of values in each file."""


def name_refusal(node, file: str) -> None:
    """Name a node of a file after its reason, if it is the traced network's refusal of values."""
    if node.op_type == "Gather" and node.input[0].endswith("outside.zero"):
        node.name = VALUES[file]


def refuse_shapes(proto, divisor: int) -> None:
    """Let a graph of one input (B, C, H, W) fail if it is empty, or if a number does not divide H and W.

    Args:
        proto: onnx's ModelProto; changed in place. Whatever reads the input waits for the checks.
        divisor: of H and W.
    """
    from onnx import TensorProto, helper

    graph = proto.graph
    name, kind = graph.input[0].name, graph.input[0].type.tensor_type.elem_type
    checked = f"{name}_of_checked_shape"
    for node in graph.node:
        for place, each in enumerate(node.input):
            if each == name:
                node.input[place] = checked
    numbers = {"check_zero": ([1], [0]), "check_one": ([], [1]), "check_divisor": ([], [divisor])}
    graph.initializer.extend(helper.make_tensor(each, TensorProto.INT64, *content) for each, content in numbers.items())
    operators = [
        ("Size", [name], "check_size", {}),
        ("Less", ["check_size", "check_one"], "check_is_empty", {}),
        ("Cast", ["check_is_empty"], "check_empty", {"to": TensorProto.INT64}),
        ("Gather", ["check_zero", "check_empty"], f"{name}_are_empty", {}),
        ("Shape", [name], "check_sides", {"start": 2, "end": 4}),
        ("Mod", ["check_sides", "check_divisor"], "check_rests", {}),
        ("ReduceMax", ["check_rests"], "check_rest", {"keepdims": 0}),
        ("Gather", ["check_zero", "check_rest"], f"{name}_have_a_side_that_{divisor}_does_not_divide", {}),
        ("Add", [f"{name}_are_empty", f"{name}_have_a_side_that_{divisor}_does_not_divide"], "check_sum", {}),
        ("Cast", ["check_sum"], "check_nothing", {"to": kind}),
        ("Sub", [name, "check_nothing"], checked, {}),  # changes no bit, not even that of -0
    ]
    made = [helper.make_node(each, of, [to], name=to, **options) for each, of, to, options in operators]
    rest = list(graph.node)
    del graph.node[:]
    graph.node.extend(made + rest)
