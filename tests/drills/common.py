"""What the drills share: a tiny training of each method on images in files, and whether two runs made the same."""

import argparse
import json
import os
import socket
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from etils import epath

ROOT = Path(__file__).resolve().parents[2]
METHODS = ("op_gan", "match_gan")


def main(description: str, what: str, default: int, drill: Callable[..., list[str]]) -> None:
    """Runs `drill(method, root, count, seed, first)` from the command line, where `--WHAT` is the count."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(f"--{what}", type=int, default=default, dest="count")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--method", choices=(*METHODS, "both"), default="both")
    args = parser.parse_args()
    found = []
    for method in METHODS if args.method == "both" else (args.method,):
        with tempfile.TemporaryDirectory() as root:
            found += drill(method, Path(root), args.count, args.seed, args.first)
    print(f"{len(found)} differences")
    sys.exit(bool(found))


def make_images(method: str, root: Path) -> str:
    """Writes what the method trains on, enough for a batch of 12."""
    from tests import tiny

    return tiny.folder(root, count=12) if method == "op_gan" else tiny.classes(root)


def tiny_config(method: str, images: str, **overrides):
    """Returns a config of 24 steps with a checkpoint every second one; overrides as in `tests.tiny`."""
    from tests import tiny

    fields = {"num_steps": 24, "checkpoint_steps": 2, "log_steps": 2, "keep_checkpoints": 2, "data__dir": images}
    if method == "op_gan":
        return tiny.config(data__name="folder", **(fields | overrides))
    names = {"data__name": "classes", "data__attributes": (), "data__exclusive": ()}
    return tiny.faces_config(**(names | fields | overrides))


def newest(workdir: Path) -> int:
    """Returns the step of the newest whole checkpoint; 0 where there is none."""
    return max((int(p.name) for p in (workdir / "checkpoints").glob("*") if p.name.isdigit()), default=0)


def read(workdir: Path, step: int | None = None) -> tuple[dict[str, np.ndarray], list[dict[str, float]]]:
    """Reads all arrays of a checkpoint, by default the last, by name, and the metrics without what time decides."""
    import jax
    import orbax.checkpoint as ocp

    from gan_ssl.training.metrics import TIMES

    path = epath.Path(workdir).resolve() / "checkpoints" / str(step or newest(workdir)) / "state"
    reader = ocp.PyTreeCheckpointHandler()
    host = jax.tree.map(lambda _: ocp.RestoreArgs(restore_type=np.ndarray), reader.metadata(path).tree)
    tree = reader.restore(path, args=ocp.args.PyTreeRestore(restore_args=host))
    reader.close()
    arrays = {jax.tree_util.keystr(p): np.asarray(x) for p, x in jax.tree_util.tree_leaves_with_path(tree)}
    lines = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
    return arrays, [{k: v for k, v in line.items() if k not in TIMES} for line in lines]


def differences(workdir: Path, undisturbed: Path) -> list[str]:
    """Returns what is not the same to the bit."""
    (arrays, lines), (wanted, wanted_lines) = read(workdir), read(undisturbed)
    found = [n for n in wanted.keys() | arrays.keys() if not np.array_equal(arrays.get(n), wanted.get(n))]
    return found + (["metrics.jsonl"] if lines != wanted_lines else [])


def last_lines(log: Path) -> str:
    """Returns the end of a log, for errors."""
    return "\n".join(log.read_text().splitlines()[-8:])


def environment(devices: int) -> dict[str, str]:
    """Returns the environment of a launcher: fake CPU devices, quick compilation, the cache of the tests.

    XLA gives a process as many threads as it has cores or fake devices, and the number of threads shapes how a
    convolution is added up: NPROC makes it that of a process with eight devices, as the tests have.
    """
    flags = f"--xla_force_host_platform_device_count={devices} --xla_backend_optimization_level=0"
    cache = os.environ.get("XDG_CACHE_HOME") or str(ROOT / ".pytest_cache" / "user")
    threads = str(max(os.cpu_count() or 1, 8))
    own = {"PYTHONPATH": str(ROOT)}  # a launcher would take the package that is installed
    return os.environ | own | {"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu", "XDG_CACHE_HOME": cache, "NPROC": threads}


def free_port() -> int:
    """Returns a port of the loopback that nobody listens at."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        return free.getsockname()[1]
