"""What every launcher shares: recipes found from any folder, and one line with exit code 2 for errors of ours."""

import logging as standard_logging
import os
import sys
from collections.abc import Callable
from pathlib import Path

from absl import app, logging

from gan_ssl import errors

ROOT = Path(__file__).resolve().parent.parent
EXIT_BAD_INPUT = 2


def run(main: Callable[[list[str]], None]) -> None:
    """Runs an absl main; what the user can mend ends in one line on stderr and exit code 2, bugs keep their traceback."""
    logging.set_verbosity(logging.INFO)
    logging.set_stderrthreshold("info")
    handler = logging.get_absl_handler()
    handler.setFormatter(None)
    # Orbax and TFDS tell of every file at level info through the same handler.
    handler.addFilter(lambda record: record.levelno >= standard_logging.WARNING or _is_ours(record.pathname))

    def guarded(argv):
        try:
            main(argv)
        except errors.GanSslError as error:
            print(f"error: {error}", file=sys.stderr)
            sys.exit(EXIT_BAD_INPUT)

    app.run(guarded)


def _is_ours(path: str) -> bool:
    return Path(path).resolve().is_relative_to(ROOT / "gan_ssl") or Path(path).resolve().is_relative_to(ROOT / "launch")


def config_path_from_root(argv: list[str]) -> list[str]:
    """Lets `--config=configs/x.py:arg` name a recipe of this checkout from any working directory."""
    found = []
    for arg in argv:
        name, equals, value = arg.partition("=")
        path = value.partition(":")[0]
        if name in ("--config", "-config") and path and not os.path.exists(path) and (ROOT / path).is_file():
            arg = f"{name}{equals}{ROOT / value}"
        found.append(arg)
    return found


def require(argv: list[str], **flag_values) -> None:
    """Checks that flags are given and that nothing else stands on the command line.

    Raises:
        ConfigError: a flag is missing, or a word is no flag.
    """
    for name, value in flag_values.items():
        if value is None or value == "":
            raise errors.ConfigError(f"--{name} is missing; see --help")
    if len(argv) > 1:
        raise errors.ConfigError(f"{argv[1]!r} is no flag; flags are written --name=value, see --help")
