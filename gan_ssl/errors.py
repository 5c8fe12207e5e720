"""Every error that a user can mend. `launch/` turns each into one line and its exit code; all others are bugs."""


class GanSslError(Exception):
    """The base of our errors: its message is one line that names the file or field, the value and what is allowed.

    Attributes:
        exit_code: what a launcher ends with.
    """

    exit_code = 2


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
