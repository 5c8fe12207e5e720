"""How cost grows: time and memory with image size, batch and width; memory with steps; large folders; large records.

python -m tests.drills.scale sizes --config=configs/op_gan.py:published --width=16 [--rounds=3]
python -m tests.drills.scale steps [--count=2000]
python -m tests.drills.scale folder [--count=200000]
python -m tests.drills.scale records [--count=5000]

Every measurement is a process of its own, so that its peak of memory is its own; each prints a line of JSON. On a
machine that others use, `taskset -c 0` before the command and the minimum over rounds help.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from tests.drills import common

_AXES = {"size": (64, 96, 128, 192, 256), "batch": (1, 2, 4), "width": (8, 16, 32, 64)}
_FIGURES = ("min_s", "flops", "temporary_mib")


def resident_mib(pid: int | str = "self", field: str = "VmRSS") -> float:
    """Returns a field of a process's memory as Linux tells it, in MiB: VmRSS, VmHWM (its peak), RssAnon."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(field + ":"))


def exponent(x: list[float], y: list[float]) -> float:
    """Fits y = c x**e."""
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])


def sizes(config: str, fixed: dict[str, int], rounds: int, axes: dict[str, tuple[int, ...]] = _AXES) -> None:
    """Runs the benchmark along each axis, and fits what its figures grow with."""
    for axis, values in axes.items():
        points: dict[int, list[dict]] = {value: [] for value in values}
        for _ in range(rounds):  # in turn, so that noise hits all points alike
            for value in values:
                flags = [f"--{name}={v}" for name, v in (fixed | {axis: value}).items()]
                points[value].append(_benchmark(config, *flags))
        best = [_best(points[value]) for value in values]
        for value, point in zip(values, best, strict=True):
            _print(axis=axis, value=value, **point)
        for update in (k for k, v in best[0].items() if isinstance(v, dict)):
            fits = {f: round(exponent(values, [point[update][f] for point in best]), 2) for f in _FIGURES}
            _print(config=config, update=update, exponent_in=axis, **fits)


def _benchmark(config: str, *flags: str) -> dict:
    launcher = str(common.ROOT / "launch" / "benchmark.py")
    command = [sys.executable, launcher, f"--config={config}", "--json", "--steps=5"]
    done = subprocess.run([*command, *flags], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(flags)}: {done.stderr[-500:]}")
    return json.loads(done.stdout.splitlines()[-1])


def _best(reports: list[dict]) -> dict:
    """Takes the fastest of several reports of the same program."""
    best = {"peak_mib": round(min(r["peak_mib"] for r in reports))}
    for name in (k for k, v in reports[0].items() if isinstance(v, dict)):
        fastest = min((r[name] for r in reports), key=lambda facts: facts["min_s"])
        best[name] = {k: float(f"{fastest[k]:.4g}") for k in (*_FIGURES, "compile_s")}
    return best


def steps(method: str, count: int) -> None:
    """Trains the tests' tiny config and reads the process's memory from outside as it goes."""
    with tempfile.TemporaryDirectory() as root:
        images, workdir = common.make_images(method, Path(root) / "images"), Path(root) / "run"
        process = subprocess.Popen(_child("train", method, images, str(workdir), str(count)), cwd=common.ROOT)
        seen: dict[int, float] = {}
        while process.poll() is None:
            lines = (workdir / "metrics.jsonl").read_text().splitlines() if (workdir / "metrics.jsonl").exists() else []
            if lines and (step := json.loads(lines[-1])["step"]) not in seen:
                seen[step] = resident_mib(process.pid)
            time.sleep(0.02)
        if process.returncode:
            raise RuntimeError(f"the training ended with {process.returncode}")
    wanted = [count // 4, count // 2, 3 * count // 4, count - count // 20]
    near = {w: min(seen, key=lambda s, w=w: abs(s - w)) for w in wanted}
    _print(method=method, steps=count, rss_mib={step: round(seen[step], 1) for step in near.values()})


def train(method: str, images: str, workdir: str, count: str) -> None:
    """The child of `steps`."""
    from gan_ssl.training import loop
    from tests import conftest  # noqa: F401  it sets the devices and the cache

    fields = {"num_steps": int(count), "checkpoint_steps": int(count) // 8, "log_steps": 20}
    pictures = {"sample_steps": int(count) // 8} if method == "op_gan" else {}
    loop.train_and_evaluate(common.tiny_config(method, images, **fields, **pictures), workdir)


def folder(count: int) -> None:
    """Opens `count` tiny images as either method does: time, memory, and where the time goes."""
    with tempfile.TemporaryDirectory() as root:
        _link_images(Path(root), count)
        for form in ("folder", "csv"):
            for profile in ("", "profile"):
                subprocess.run(_child("open_images", form, root, profile), cwd=common.ROOT, check=True)


def _link_images(root: Path, count: int) -> None:
    """Makes `trainA` of `count` hard links to a few images, `trainB` of one, and `attributes.csv`."""
    from PIL import Image

    (root / "trainA").mkdir()
    (root / "trainB").mkdir()
    rng, originals = np.random.default_rng(0), []
    for i in range(100):  # file systems allow tens of thousands of links to a file
        originals.append(root / "trainB" / f"{i}.png")
        Image.fromarray(rng.integers(0, 256, (16, 16, 3), np.uint8)).save(originals[-1])
    with (root / "attributes.csv").open("w") as table:
        table.write("file,smile,hat,split\n")
        for i in range(count):
            os.link(originals[i % 100], root / "trainA" / f"image_{i:06d}.png")
            table.write(f"trainA/image_{i:06d}.png,{i & 1},{i >> 1 & 1},train\n")


def open_images(form: str, root: str, profile: str) -> None:
    """The child of `folder`: opens twice, then takes a batch; with `profile` it tells the slowest functions."""
    import cProfile
    import pstats

    from gan_ssl import data
    from tests import conftest, tiny  # noqa: F401

    if form == "folder":
        config = tiny.config(data__name="folder", data__dir=root)
        opened = lambda: data.open_source(config, "train", "a")
    else:
        config = tiny.faces_config(
            data__name="csv", data__dir=root, data__attributes=("smile", "hat"), data__exclusive=()
        )
        opened = lambda: data.open_attributes(config, "train")
    before, seconds, profiler = resident_mib(), [], cProfile.Profile()
    clocks = lambda: np.array([time.perf_counter(), time.process_time()])
    for number in range(2):
        began = clocks()
        source = profiler.runcall(opened) if profile and number else opened()
        seconds.append(np.round(clocks() - began, 2).tolist())
    rss = resident_mib() - before
    began = clocks()
    with data.make_stream(config, "unpaired" if form == "folder" else "labelled", shard=(0, 1)) as stream:
        next(stream)
    first_batch = np.round(clocks() - began, 2).tolist()
    if profile:
        _print(form=form, images=len(source), profile_of_second_open=_slowest(pstats.Stats(profiler)))
    else:
        facts = {"open_s_cpu_s": seconds[0], "again": seconds[1], "first_batch": first_batch}
        _print(
            form=form,
            images=len(source),
            **facts,
            rss_mib=round(rss),
            peak_rss_mib=round(resident_mib(field="VmHWM") - before),
        )


def _slowest(stats) -> dict[str, float]:
    """Returns seconds of the functions that take most, callees included, by name."""
    rows = sorted(stats.stats.items(), key=lambda row: -row[1][3])
    return {f"{Path(file).name}:{name}": round(facts[3], 2) for (file, _, name), facts in rows[1:12]}


def records(count: int) -> None:
    """Streams a set of `count` noise images a domain, prepared as array_record, for two passes."""
    with tempfile.TemporaryDirectory() as root:
        for command in ("prepare", "stream"):
            subprocess.run(_child(command, root, str(count)), cwd=common.ROOT, check=True)


def _noise_builder(count: int):
    import tensorflow_datasets as tfds
    from PIL import Image

    class NoisePictures(tfds.core.GeneratorBasedBuilder):
        """Noise, which no compression makes smaller."""

        VERSION = tfds.core.Version("1.0.0")
        code_path = None

        def _info(self):
            features = {"image": tfds.features.Image(encoding_format="png")}
            return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

        def _split_generators(self, dl_manager):
            return {name: self._generate_examples(seed) for seed, name in enumerate(("trainA", "trainB"))}

        def _generate_examples(self, seed):
            rng = np.random.default_rng(seed)
            for i in range(count):
                yield i, {"image": Image.fromarray(rng.integers(0, 256, (128, 128, 3), np.uint8))}

    return NoisePictures


def prepare(root: str, count: str) -> None:
    """The first child of `records`."""
    import tensorflow_datasets as tfds

    tfds.disable_progress_bar()
    _noise_builder(int(count))(data_dir=root, file_format="array_record").download_and_prepare()


def stream(root: str, count: str) -> None:
    """The second child of `records`: memory as passes go on. The cache of resized images fills first, 256 MiB."""
    from gan_ssl import data
    from tests import conftest, tiny  # noqa: F401

    config = tiny.config(data__name="tfds:noise_pictures", data__dir=root, data__image_size=(128, 128), batch_size=16)
    seen, batches = {}, 2 * int(count) // 16
    began = time.perf_counter()
    with data.make_stream(config, shard=(0, 1)) as batches_of:
        for number in range(1, batches + 1):
            next(batches_of)
            if number == 1 or number % (batches // 12) == 0:
                seen[number * 16] = [round(resident_mib(field=f), 1) for f in ("RssAnon", "RssFile")]
    size = sum(p.stat().st_size for p in Path(root).rglob("*") if p.is_file()) / 2**20
    seconds = time.perf_counter() - began
    _print(
        records=int(count), mib_on_disk=round(size), pairs_per_s=round(batches * 16 / seconds), rss_anon_file_mib=seen
    )


def _child(*arguments: str) -> list[str]:
    code = "from tests.drills import scale; import sys; getattr(scale, sys.argv[1])(*sys.argv[2:])"
    return [sys.executable, "-c", code, *arguments]


def _print(**facts) -> None:
    print(json.dumps(facts), flush=True)


def main() -> None:
    """Runs one of the drills from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("sizes", "steps", "folder", "records"))
    parser.add_argument("--config", default="configs/op_gan.py:published")
    parser.add_argument("--axis", choices=tuple(_AXES), help="one axis instead of all")
    for name in ("size", "batch", "width", "blocks", "layers"):
        parser.add_argument(f"--{name}", type=int, default=0)
    parser.add_argument("--values", type=lambda text: tuple(map(int, text.split(","))), help="points of that axis")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--count", type=int, default=0)
    args = parser.parse_args()
    if args.what == "sizes":
        fixed = {n: getattr(args, n) for n in ("size", "batch", "width", "blocks", "layers") if getattr(args, n)}
        times = max(1, args.batch)  # MatchGAN's batches are multiples of eight
        axes = _AXES | {"batch": tuple(times * n for n in _AXES["batch"])}
        axes = {args.axis: args.values or axes[args.axis]} if args.axis else axes
        sizes(args.config, fixed, args.rounds, axes)
    elif args.what == "steps":
        for method in ("op_gan", "match_gan"):
            steps(method, args.count or 2000)
    elif args.what == "folder":
        folder(args.count or 200_000)
    else:
        records(args.count or 5000)


if __name__ == "__main__":
    main()
