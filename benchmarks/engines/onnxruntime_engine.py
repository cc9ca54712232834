"""ONNX Runtime: float32 inference with one recurrent operator; inputs and outputs are bound, which is faster."""

from typing import Any

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from benchmarks.cases import Problem
from benchmarks.engines import LeftOut
from fastrnn._typing import Array
from fastrnn.cells import get_cell

# The operator, the places of its gates in fastrnn's order (ONNX: i o f g; z r n), and its attributes.
OPERATORS: dict[str, tuple[str, list[int], dict[str, int]]] = {
    "rnn": ("RNN", [0], {}),
    "lstm": ("LSTM", [0, 3, 1, 2], {}),
    "gru": ("GRU", [1, 0, 2], {"linear_before_reset": 1}),
}
OPSET, IR_VERSION = 14, 8  # what the operators need; every runtime in use is newer


def model(problem: Problem, steps: int) -> bytes:
    """Return a model with the given number of steps; time is the first axis.

    Its inputs are x, the states and the lengths; its outputs are h of all steps and the final states.
    """
    case = problem.case
    operator, gates, attributes = OPERATORS[problem.cell]
    states = get_cell(problem.cell).states

    def rows(array: Array) -> Array:
        """Return one row for each gate, in ONNX's order, and unit."""
        return np.ascontiguousarray(array[..., gates, :].reshape(-1, len(gates) * case.H).T)[None]

    Wx, Wh, bx, bh = map(rows, problem.weights)
    bias = np.concatenate((bx, bh), axis=1)[..., 0]
    constants = [numpy_helper.from_array(array, name) for name, array in (("Wx", Wx), ("Wh", Wh), ("b", bias))]

    def value(name: str, shape: list[int], kind: int = TensorProto.FLOAT) -> Any:
        return helper.make_tensor_value_info(name, kind, shape)

    ragged = problem.lengths is not None
    inputs = [value("x", [steps, case.B, case.I]), *(value(name, [1, case.B, case.H]) for name in states)]
    lengths = [value("lengths", [case.B], TensorProto.INT32)] if ragged else []
    outputs = [value("y", [steps, 1, case.B, case.H]), *(value(f"new_{name}", [1, case.B, case.H]) for name in states)]
    node = helper.make_node(
        operator,
        ["x", "Wx", "Wh", "b", "lengths" if ragged else "", *states],
        [output.name for output in outputs],
        hidden_size=case.H,
        **attributes,
    )
    graph = helper.make_graph([node], problem.cell, inputs + lengths, outputs, constants)
    built = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    return built.SerializeToString()


class OnnxRuntimeEngine:
    """A session; `step` uses a model of one step, whose states alternate between two buffers."""

    def __init__(self, problem: Problem, n_threads: int) -> None:
        if problem.dtype != "float32":
            raise LeftOut("its recurrent operators support float32 only")
        case = problem.case
        self.problem = problem
        self.steps = 1 if "step" in case.directions else case.T
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = n_threads, 1
        self.session = onnxruntime.InferenceSession(
            model(problem, self.steps), options, providers=["CPUExecutionProvider"]
        )
        self.x = np.ascontiguousarray(problem.x.swapaxes(0, 1))
        self.inputs = np.ascontiguousarray(self.x[: self.steps])
        self.y = np.zeros((self.steps, 1, case.B, case.H), np.float32)
        n_states = get_cell(problem.cell).n_states
        self.states = [np.zeros((n_states, 1, case.B, case.H), np.float32) for _ in range(2)]
        self.bindings = [self._bind(*self.states), self._bind(*self.states[::-1])]

    def _bind(self, state: Array, new_state: Array) -> Any:
        """Bind our arrays, which ONNX Runtime reads and writes in place."""
        binding = self.session.io_binding()
        inputs = {"x": self.inputs} | dict(zip(get_cell(self.problem.cell).states, state, strict=True))
        if self.problem.lengths is not None:
            inputs["lengths"] = self.problem.lengths.astype(np.int32)
        outputs = {"y": self.y} | {
            f"new_{name}": array for name, array in zip(get_cell(self.problem.cell).states, new_state, strict=True)
        }
        for bind, arrays in ((binding.bind_ortvalue_input, inputs), (binding.bind_ortvalue_output, outputs)):
            for name, array in arrays.items():
                bind(name, onnxruntime.OrtValue.ortvalue_from_numpy(array))
        return binding

    def infer(self) -> Array:
        self.session.run_with_iobinding(self.bindings[0])
        return self.y

    def step(self) -> list[Array]:
        run, bindings, inputs, y = self.session.run_with_iobinding, self.bindings, self.inputs[0], self.y[0, 0]
        self.states[0][:] = 0
        outputs = []
        for t, x in enumerate(self.x):
            inputs[:] = x
            run(bindings[t % 2])
            outputs.append(y.copy())
        return outputs

    def results(self, direction: str) -> dict[str, Array]:
        if direction == "step":
            return {"y": np.stack(self.step(), axis=1)}
        return {"y": self.infer()[:, 0].swapaxes(0, 1).copy()}
