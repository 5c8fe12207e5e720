"""The registry: all that the training loop knows of a method.

An entry is the name of a module that has these functions. A new method is one such module, one recipe in `configs/`
and one line here.

- `create_state(rng, config) -> GanState`: weights, optimisers and what else a run carries (`gan_ssl.methods.state`).
- `make_train_steps(config) -> {kind: train_step}`: one pure function a kind of step,
  `train_step(state, batch) -> (state, metrics)`; it runs on each device's part of the global batch, under an axis
  named `batch`, and averages gradients and metrics over it. Metrics are scalars by name, `generator/cycle`.
- `step_kind(config, step) -> kind`: which kind step `step` (from 0) is.
- `streams(config) -> {kind: stream}`: the data stream (`gan_ssl.data.make_stream`) that each kind of step consumes.
- `make_sample(config) -> sample`: `sample(generator_params, batch) -> {caption: images}` for pictures, [-1, 1]; the
  batch is of the first of its streams.
- `make_translate(config) -> translate`: `translate(generator_params, images, condition) -> images` for inference.
- `EVALUATION`: the module whose `evaluate(loaded, workdir, split)` scores its checkpoints.
- `INFERENCE`: `module:class` of what `gan_ssl.inference.load` returns.
- `PROGRESS`: the metrics that the progress bar shows.
"""

import importlib
from types import ModuleType

from gan_ssl import errors

_METHODS = {
    "op_gan": "gan_ssl.methods.op_gan",
    "match_gan": "gan_ssl.methods.match_gan",
    "cut": "gan_ssl.methods.cut",
}
NAMES = _METHODS.keys()


def get(name: str) -> ModuleType:
    """Returns the registry's entry.

    Raises:
        ConfigError: there is no such method.
    """
    if name not in _METHODS:
        raise errors.ConfigError(f"config.method is {name!r}; allowed: {', '.join(NAMES)}")
    return importlib.import_module(_METHODS[name])
