from collections.abc import Callable
from typing import Any

from absl import flags

DEFINE_config_file: Callable[..., flags.FlagHolder[Any]]
DEFINE_config_dict: Callable[..., Any]

def get_override_values(config_flag_holder: Any) -> dict[str, Any]: ...
