"""What every launcher shares: recipes found from any folder, and one line with an exit code for errors of ours."""

import logging as standard_logging
import os
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

from absl import app, flags, logging

from gan_ssl import config, errors

ROOT = Path(__file__).resolve().parent.parent


def run(main: Callable[[list[str]], None]) -> None:
    """Runs an absl main; what the user can mend ends in one line and an exit code, bugs keep their traceback."""
    logging.set_verbosity(logging.INFO)
    logging.set_stderrthreshold("info")
    handler = logging.get_absl_handler()
    handler.setFormatter(None)
    # Orbax and TFDS tell of every file at level info through the same handler.
    handler.addFilter(lambda record: record.levelno >= standard_logging.WARNING or _is_ours(record.pathname))

    try:
        app.run(main, argv=resolve_config(sys.argv), flags_parser=parse_flags)
    except errors.GanSslError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


def _is_ours(path: str) -> bool:
    return Path(path).resolve().is_relative_to(ROOT / "gan_ssl") or Path(path).resolve().is_relative_to(ROOT / "launch")


def parse_flags(argv: list[str], flag_values: flags.FlagValues = flags.FLAGS) -> list[str]:
    """Parses the flags as absl does; what it finds wrong with them is the user's to mend.

    Raises:
        ConfigError: a flag is unknown, or its value cannot be parsed.
    """
    try:
        with warnings.catch_warnings():  # what Python finds odd in a value that is not even its code
            warnings.simplefilter("ignore", SyntaxWarning)
            warnings.simplefilter("ignore", DeprecationWarning)
            return flag_values(argv)
    except flags.Error as error:
        if "Error whilst parsing config file" in str(error):  # a recipe is code, whose bugs keep their traceback
            raise
        raise errors.ConfigError(f"{error}; see --help") from None
    except (MemoryError, RecursionError):  # how Python's parser refuses too many brackets
        raise errors.ConfigError(f"{max(argv, key=len)} has too many brackets") from None


def resolve_config(argv: list[str]) -> list[str]:
    """Lets `--config=configs/x.py:arg` name a recipe of this checkout from any working directory.

    Raises:
        ConfigError: there is no such recipe, or an override names no field; the nearest one is told.
    """
    known, found = config.known_fields(), []
    for arg in argv:
        name, _, value = arg.lstrip("-").partition("=")
        if arg.startswith("-") and name == "config" and value:
            path, colon, variants = value.partition(":")
            if not os.path.isfile(path):
                if not (ROOT / path).is_file():
                    raise errors.ConfigError(f"--config is {path}, which is no file here nor in {ROOT}")
                arg = f"--config={ROOT / path}{colon}{variants}"
        field = name.removeprefix("config.")
        if arg.startswith("-") and field != name and field.removeprefix("no") not in known and field not in known:
            raise config.unknown_field(field)
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
