"""Every error that a user can mend. `launch/` turns each into one line and its exit code; all others are bugs."""

# Longer messages lose their middle: a cell of a damaged table may have megabytes.
_MOST_CHARACTERS = 4000


def printable(text: str) -> str:
    r"""Escapes what a terminal, a log or a page would not show as it is: line ends, control characters, surrogates.

    Args:
        text: any text, such as the name of a file.

    Returns:
        One line; `\n`, `\x1b` or `\udcff` stand for such characters.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def reason(error: BaseException) -> str:
    """Returns the first line of what a library's or the operating system's error says, or else its type's name."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


class GanSslError(Exception):
    """The base of our errors: its message is one line that names the file or field, the value and what is allowed.

    Attributes:
        exit_code: what a launcher ends with.
    """

    exit_code = 2

    def __init__(self, message: str = ""):
        """Takes a message and makes it one line that can be printed, whatever names and values it holds."""
        half = _MOST_CHARACTERS // 2
        if len(message) > _MOST_CHARACTERS:
            message = f"{message[:half]} ... {message[-half:]}"
        super().__init__(printable(message))

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows instead of a traceback."""
        return [f"error: {self}"]


class ConfigError(GanSslError):
    """A config field is unknown, of a wrong type or out of range, or may not change on resume."""


class DataError(GanSslError):
    """An image, a label map or a folder that cannot be used as it is."""


class CheckpointError(GanSslError):
    """A work directory without a checkpoint that this version can read."""


class WeightsError(GanSslError):
    """A weights file whose names or shapes do not fit the network."""


class TrainingError(GanSslError):
    """A run that must stop: a loss that is not finite, or a work directory that cannot be written."""


class Interrupted(GanSslError):
    """A signal stopped the run after it had saved; started again it goes on.

    Exit code 75, EX_TEMPFAIL of sysexits.h.
    """

    exit_code = 75


class HostLost(GanSslError):
    """Another process of the run died or cannot be reached; started again the run goes on.

    Exit code 75, as for `Interrupted`.
    """

    exit_code = 75
