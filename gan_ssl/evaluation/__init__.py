"""What a checkpoint is worth; each method is judged in its own way."""

import importlib
from typing import Any

from gan_ssl import errors, methods
from gan_ssl.training import checkpoints
from gan_ssl.training.workdir import in_bucket

SPLITS = ("test", "validation")


def evaluate(workdir: str, step: int | None = None, split: str = "test", data_dir: str = "") -> dict[str, Any]:
    """Scores a run as its method is scored, writes the report into the work directory and prints it.

    Args:
        workdir: of the run.
        step: which checkpoint; None for the newest.
        split: `test`, or `validation`, whose files get `_validation` in their names.
        data_dir: replaces `config.data.dir`.

    Returns:
        What `eval.json` holds.

    Raises:
        CheckpointError: there is no such checkpoint.
        ConfigError: the work directory is in a bucket.
        DataError: the images to translate cannot be used, or an unknown split.
        TrainingError: the work directory cannot be written.
    """
    if split not in SPLITS:
        raise errors.DataError(f"split is {split!r}; allowed: {', '.join(SPLITS)}")
    if in_bucket(workdir):  # translated pictures, features and judges are files of a folder
        raise errors.ConfigError(f"--workdir is {workdir}; allowed: a folder; copy the run down first")
    loaded = checkpoints.load(workdir, step)
    if data_dir:
        with loaded.config.unlocked():
            loaded.config.data.dir = data_dir
    module = importlib.import_module(methods.get(loaded.config.method).EVALUATION)
    return module.evaluate(loaded, workdir, split)
