"""ONNX by jax2onnx, from the primitives that JAX traces."""

import contextlib
import json
import logging
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.extend.core import jaxpr_as_fun

from gan_ssl import errors
from gan_ssl.export.program import MULTIPLE, Program
from gan_ssl.networks.convolutions import plain_forms

OPSET = 18  # the oldest that the operators need, so that old runtimes read the file
TOLERANCE = 1e-4


def to_onnx(program: Program) -> bytes:
    """Returns an ONNX model with free batch and sides, which was run and compared with the generator.

    Raises:
        ConfigError: jax2onnx or a package that it needs is not installed.
        WeightsError: the model's translations differ by more than 1e-4.
    """
    try:
        import jax2onnx
        import onnx
        import onnxruntime
    except ImportError as error:
        raise errors.ConfigError(
            f'--format=onnx needs, in an environment of its own: pip install -e ".[onnx]" ({errors.reason(error)})'
        ) from None
    inputs = list(program.inputs.values())
    with plain_forms():
        traced = jax.make_jaxpr(_with_sides(program))(*inputs)
    # Traced before: jax2onnx traces with functions of its own in the place of JAX's, which know fewer symbolic shapes.
    with _quiet():
        model = jax2onnx.to_onnx(
            jaxpr_as_fun(traced),
            inputs,
            model_name="gan_ssl",
            opset=OPSET,
            input_names=list(program.inputs),
            output_names=["translations"],
        )
    onnx.helper.set_model_props(model, {"gan_ssl": json.dumps(program.about)})
    content = model.SerializeToString()
    _check(program, onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"]))
    return content


def _with_sides(program: Program):
    """The function beside a convolution whose result nobody reads, but whose sides are the symbols h and w.

    jax2onnx takes the value of a symbol from an array that has it as its side; the images have 4 h and 4 w.
    """

    def translate(images, *labels):
        kernel, strides = jnp.zeros((MULTIPLE, MULTIPLE, 3, 1)), (MULTIPLE, MULTIPLE)
        lax.conv_general_dilated(images, kernel, strides, "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC"))
        return program.translate(images, *labels)

    return translate


def _check(program: Program, session) -> None:
    """Compares on noise, of another batch size and other sides than one would be traced for."""
    rng = np.random.default_rng(0)
    arrays = {"images": rng.uniform(-1, 1, (2, 24, 32, 3)).astype(np.float32)}
    if "labels" in program.inputs:
        arrays["labels"] = rng.integers(0, 2, (2, program.inputs["labels"].shape[1])).astype(np.float32)
    (made,) = session.run(None, arrays)
    apart = float(np.abs(made - np.asarray(jax.jit(program.translate)(**arrays))).max())
    if not apart <= TOLERANCE:
        raise errors.WeightsError(f"the ONNX model's translations differ by {apart}; allowed: {TOLERANCE}")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keeps off the terminal what onnx_ir says about shapes of intermediate arrays that it does not write."""
    logger = logging.getLogger("onnx_ir")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)
