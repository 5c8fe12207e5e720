"""Every command and Python snippet of the README, the pages and the notebooks: parsed by the real flags, or run."""

import ast
import configparser
import functools
import importlib.util
import json
import re
import runpy
import shlex

import jax
import numpy as np
import pytest
from absl import flags
from ml_collections import config_flags

import gan_ssl
from gan_ssl import config as configs
from gan_ssl.methods import match_gan, op_gan
from gan_ssl.recipes import match_gan as match_gan_recipe
from gan_ssl.recipes import op_gan as op_gan_recipe
from gan_ssl.training import checkpoints, loop
from tests import tiny
from tests.conftest import ROOT

import _cli  # isort: skip

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
PAGES = [page for page in PAGES if "generated" not in page.parts]
NOTEBOOKS = sorted((ROOT / "launch" / "colab").glob("*.ipynb"))
SCRIPTS = [ROOT / "launch" / name for name in ("slurm.sh", "tpu_pod.sh", "gke/run.sh")]
_EXTRAS = configparser.ConfigParser()
_EXTRAS.read(ROOT / "setup.cfg")
# Programs of others, which the pages name and no test here starts.
OTHERS = {"cat", "cd", "curl", "docker", "export", "gcloud", "git", "jupyter", "kubectl", "node", "npm", "sphinx-build"}
# Whose snippets another test runs.
ELSEWHERE = {ROOT / "docs" / "serving.md": "export_test.py"}
_name = lambda path: str(path.relative_to(ROOT))


def _blocks(text, language):
    return [m[1] for m in re.finditer(rf"^```{language}\n(.*?)^```", text, re.M | re.S)]


def _commands(text):
    """Splits shell text into commands, each a list of words."""
    text = re.sub(r"^\s*#.*$", "", text.replace("\\\n", " "), flags=re.M)
    lexer = shlex.shlex(text, posix=True, punctuation_chars="&|;\n")
    lexer.whitespace, lexer.whitespace_split, lexer.commenters = " \t", True, ""
    command = []
    for word in [*lexer, "\n"]:
        if word and not set(word) <= set("&|;\n"):
            command.append(word)
        elif command:
            yield command
            command = []


def _page_commands(page):
    text = page.read_text()
    inline = [re.sub(r"\s+", " ", m[1]) for m in re.finditer(r"`((?:python|pip|sphinx-build) [^`]+)`", text)]
    return [command for block in _blocks(text, "bash") + inline for command in _commands(block)]


def _launcher(name, words):
    """A launcher's main after its flags were parsed, apart from the flags that other launchers define."""
    argv, values = _cli.resolve_config([f"{name}.py", *words]), flags.FlagValues()
    with pytest.MonkeyPatch.context() as patch:
        for define in (word for word in dir(flags) if re.fullmatch("DEFINE_(?!flag)[a-z_]+", word)):
            patch.setattr(flags, define, functools.partial(getattr(flags, define), flag_values=values))
        for name_of in ("DEFINE_config_file", "DEFINE_config_dict"):
            define = functools.partial(getattr(config_flags, name_of), flag_values=values, sys_argv=argv)
            patch.setattr(config_flags, name_of, define)
        main = runpy.run_path(str(ROOT / "launch" / f"{name}.py"), run_name="launcher")["main"]
    rest = _cli.parse_flags(argv, values)
    assert len(rest) == 1, f"{rest[1:]} are no flags"
    if "config" in values and name != "study":  # whose fields only change those of its rows
        assert values["config"].value is not None, "--config is missing"
        assert values["workdir"].value if "workdir" in values else True
        configs.validate(values["config"].value)
    return lambda: main(rest)


def _check(words):
    """Raises where a command could not be meant: an unknown program, flag, field, variant, extra or module."""
    while words and re.fullmatch(r"\w+=.*", words[0]):
        words = words[1:]
    words = words[3:] if words[:2] == ["taskset", "-c"] else words
    words = [word for word in words if word not in ("...", "[...]")]
    words[0] = re.sub(r"^\w+/bin/(?=python|pip)", "", words[0])  # of an environment of its own
    if words[:2] == ["pip", "install"]:
        for extras in re.findall(r"^(?:\.|gan_ssl)\[([\w,]+)\]", " ".join(words[2:]).replace("-e ", "")):
            assert set(extras.split(",")) <= set(_EXTRAS["options.extras_require"]), extras
    elif words[:2] == ["python", "-c"]:
        ast.parse(words[2])
    elif words[:2] == ["python", "-m"]:
        _check_module(words[2], [word.partition("=")[0] for word in words[3:] if word.startswith("--")])
    elif words[0] == "python" and len(words) > 1 and words[1].startswith("launch/"):
        if len(words) > 2:
            _launcher(words[1].removeprefix("launch/").removesuffix(".py"), words[2:])
        assert (ROOT / words[1]).is_file()
    elif any(word.startswith("launch/") and word.endswith(".sh") for word in words):
        after = next(i for i, word in enumerate(words) if word.endswith(".sh")) + 1
        _launcher("train", [word for word in words[after:] if word.startswith("--")])
    else:
        assert words[0] in OTHERS, f"{words[0]}: is it to be run, parsed, or a program of others?"


def _check_module(module, options):
    found = importlib.util.find_spec(module)
    assert found is not None, module
    if module.startswith("tests.drills"):  # whose options are written there, or in what they share
        files = [ROOT / (module.replace(".", "/") + ".py"), ROOT / "tests" / "drills" / "common.py"]
        known = {name for file in files for name in re.findall(r'"(?:--)?([a-z_]+)"', file.read_text())}
        assert {option.removeprefix("--") for option in options} <= known, options


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_commands_are_real(page):
    for words in _page_commands(page):
        _check(words)


@pytest.mark.parametrize("script", SCRIPTS, ids=_name)
def test_the_heads_of_scripts_are_real(script):
    found = re.findall(r"(--config=\S+ --workdir=\S+)", script.read_text())
    assert found
    for line in found:
        _launcher("train", line.split())


@pytest.mark.parametrize(
    "command",
    [
        "python launch/train.py --config=configs/op_gan.py:qick --workdir=x",
        "python launch/train.py --config=configs/op_gan.py --workdir=x --config.loss.cycel=1",
        "python launch/train.py --config=configs/op_gan.py --workdir=x --config.loss.cycle=-1",
        "python launch/evaluate.py --workdr=x",
        'pip install -e ".[tets]"',
        "python -m tests.drills.kil",
        "python -m tests.drills.kill --kils=2",
        "pyhton launch/train.py",
        "launch/tpu_pod.sh start NAME --config=configs/op_gan.py --wrkdir=gs://B/R",
    ],
)
def test_a_slip_in_a_page_is_found(command):
    with pytest.raises((Exception, AssertionError)):
        _check(next(_commands(command)))


def _weights(method, config):
    shapes = jax.eval_shape(lambda key: method.create_state(key, config), jax.random.key(0))
    players = {"generator": shapes.generator.params, "discriminator": shapes.discriminator.params}
    return jax.tree.map(lambda x: np.full(x.shape, 0.01, x.dtype), players)


@pytest.fixture(scope="module")
def homes(tmp_path_factory):
    """Folders by method in which a reader could be, with finished runs and photos."""
    root, made = tmp_path_factory.mktemp("homes"), {}
    for name, method, config in (
        ("op_gan", op_gan, tiny.config()),
        ("match_gan", match_gan, tiny.faces_config(data__attributes=_ATTRIBUTES, data__exclusive=(_ATTRIBUTES[:3],))),
    ):
        made[name] = root / name
        for run in ("mine", "faces", "quick"):
            checkpoints.save_weights(str(made[name] / "runs" / run), config, _weights(method, config))
        tiny.folder(made[name] / "data", count=2)
        (made[name] / "data" / "testA").rename(made[name] / "photos")
    return made


_ATTRIBUTES = ("Black_Hair", "Blond_Hair", "Brown_Hair", "Smiling", "Eyeglasses")


def _home_of(code):
    return "match_gan" if re.search(r"\.edits?\(|--set|--grid|stargan|runs/faces", code) else "op_gan"


_RUN = ("--direction=a2b", "--set", "--grid", "--format=safetensors")


@pytest.mark.parametrize("flag", _RUN)
def test_commands_that_can_be_run_small_are_run(flag, homes, monkeypatch):
    found = [words for page in PAGES for words in _page_commands(page)]
    words = next(w for w in found if flag in w and ("--workdir=runs/mine" in w or "--from_workdir=runs/faces" in w))
    monkeypatch.chdir(homes[_home_of(" ".join(words))])
    words = [re.sub("=/path/to/", "=", word) for word in words]
    _launcher(words[1].removeprefix("launch/").removesuffix(".py"), words[2:])()
    (output,) = [word.partition("=")[2] for word in words if word.startswith("--output=")]
    assert any((homes[_home_of(" ".join(words))] / output).iterdir())


def _snippets(page):
    """Python of a page: its blocks, and calls of the library within its text."""
    text = page.read_text()
    return [*_blocks(text, "python"), *(m[1] for m in re.finditer(r"`(gan_ssl\.\w+\.\w+\([^`]+\))`", text))]


def test_snippets_that_others_run_are_theirs():
    for page, test in ELSEWHERE.items():
        assert page.name in (ROOT / "tests" / test).read_text()


@pytest.mark.parametrize("page", [page for page in PAGES if _snippets(page) and page not in ELSEWHERE], ids=_name)
def test_snippets_run(page, homes, monkeypatch):
    def train(config, workdir):  # the notebooks' tests train in earnest
        checkpoints.save_weights(workdir, configs.validate(config), _weights(op_gan, config))

    monkeypatch.setattr(op_gan_recipe, "get_config", lambda arg="": tiny.config())
    monkeypatch.setattr(loop, "train_and_evaluate", train)
    scope = {"images": np.random.default_rng(0).integers(0, 256, (2, 24, 24, 3), np.uint8)}
    exec("import gan_ssl.inference, gan_ssl.training.metrics", scope)
    for code in _snippets(page):
        tree = ast.parse(code)
        imported = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
        imported |= {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
        if all(importlib.util.find_spec(name.partition(".")[0]) for name in imported):
            monkeypatch.chdir(homes[_home_of(code)])
            exec(compile(tree, str(page), "exec"), scope)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=_name)
def test_settings_in_the_notebooks_are_real(path):
    recipe = {"op_gan": op_gan_recipe, "match_gan": match_gan_recipe}[path.stem]
    cells = json.loads(path.read_text())["cells"]
    text = "\n".join("".join(cell["source"]) for cell in cells)
    lines = re.findall(r"^CHANGES = (\{.+\})", text, re.M) + re.findall(r'such as (\{"\w.*\})', text)
    assert len(lines) >= 2
    for line in lines:
        config = recipe.get_config("quick")
        config.update_from_flattened_dict(ast.literal_eval(line))
        configs.validate(config)
    for variants in re.findall(r"@param (\[.*\])", text):
        for variant in ast.literal_eval(variants):
            configs.validate(recipe.get_config(variant))
    commands = [command for m in re.finditer(r"`(python launch/[^`]+)`", text) for command in _commands(m[1])]
    for words in commands:
        _check(words)


def test_the_version_is_that_of_the_package():
    assert gan_ssl.__version__ == _EXTRAS["metadata"]["version"] == "0.1.0"


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_figures_with_a_spread_stand_in_a_study_s_table(page):
    """The extracts are copied by hand; what a study no longer says must not stay there."""
    tables = "".join(table.read_text() for table in (ROOT / "docs" / "results").glob("*/README.md"))
    copied = set(re.findall(r"\d+\.\d+ ± \d+\.\d+", page.read_text()))
    assert sorted(figure for figure in copied if not re.search(rf"(?<![\d.]){re.escape(figure)}(?!\d)", tables)) == []
