"""Several processes as one run: how they find each other, what they agree on, and that they end together.

A process that fails leaves word of it, and the others end with its reason and its code. One that dies without a word
is missed after `HEARTBEAT_S` seconds, or as soon as a connection to it breaks.
"""

import atexit
import contextlib
import itertools
import json
import os
import re
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any, NamedTuple, NoReturn

import jax
from absl import logging
from jax._src import clusters, distributed  # neither the detection nor the key-value store has a public name

from gan_ssl import errors

# JAX's client is there as soon as the processes have joined.
# pyright: reportOptionalMemberAccess=false

HEARTBEAT_S = 30  # a process that was silent for so long is dead
_PATIENCE_MS = 60 * 60 * 1000  # how much later than others a process may come, as when it draws its data first
_LAST_WORD = "gan_ssl/last_word"
_HEARD_MS = 10_000  # the living listen every second
_calls = itertools.count()


class Peers(NamedTuple):
    """The processes of a run. `coordinator` and `process_id` are None where JAX finds them, and for one process."""

    count: int
    coordinator: str | None = None
    process_id: int | None = None


def find(coordinator: str | None = None, count: int | None = None, process_id: int | None = None) -> Peers:
    """Finds out, without waiting for any, how many processes a run has.

    Args:
        coordinator: HOST:PORT of process 0; these three are None where JAX is to look by itself.
        count: the number of processes; 1 alone keeps JAX from looking.
        process_id: which of them this one is.

    Returns:
        The peers; one process where none are given and JAX detects no cluster.

    Raises:
        ConfigError: a flag is missing or out of range, or the cluster does not tell how many processes there are.
    """
    given = {"coordinator": coordinator, "num_processes": count, "process_id": process_id}
    missing = [name for name, value in given.items() if value is None]
    if count == 1 and not coordinator and not process_id:
        return Peers(1)
    if len(missing) == len(given):
        return Peers(_detect())
    if missing:
        there = next(name for name, value in given.items() if value is not None)
        raise errors.ConfigError(
            f"--{there} is {given[there]}, but --{missing[0]} is missing; allowed: all of --coordinator, "
            "--num_processes and --process_id, or none where JAX finds its peers, or --num_processes=1"
        )
    assert count is not None and process_id is not None and coordinator is not None
    if count < 1 or not 0 <= process_id < count:
        raise errors.ConfigError(f"--process_id is {process_id}; allowed: 0 to --num_processes - 1, now {count - 1}")
    if not re.fullmatch(r".+:\d{1,5}", coordinator):
        raise errors.ConfigError(f"--coordinator is {coordinator!r}; allowed: HOST:PORT of process 0")
    return Peers(count, coordinator, process_id)


def _detect() -> int:
    """Returns the number of processes that JAX's cluster detection finds; 1 outside of a cluster."""
    known = [env for env in clusters.ClusterEnv._cluster_types if not env.opt_in_only_method]
    try:
        found = next((env for env in known if env.is_env_present()), None)
        return found.get_process_count() if found else 1
    except Exception as error:  # whatever an instance's metadata or a Kubernetes API says
        raise errors.ConfigError(
            f"this looks like a cluster, but its processes cannot be counted ({errors.reason(error)}); allowed: "
            "--coordinator, --num_processes and --process_id, or --num_processes=1"
        ) from None


@contextlib.contextmanager
def joined(peers: Peers) -> Iterator[None]:
    """Is one of the processes of a run while the block runs; with one process this does nothing.

    Raises:
        HostLost: another process died; that of the block otherwise.
    """
    if peers.count == 1:
        yield
        return
    _join(peers)
    ending, over = threading.Lock(), threading.Event()  # whoever has the lock ends the process
    listener = threading.Thread(target=_listen, args=(ending, over), name="last word", daemon=True)
    listener.start()
    try:
        try:
            yield
        finally:
            over.set()  # a thread inside of JAX when Python ends would abort it
            listener.join()
    except errors.Interrupted:  # agreed upon: all come here
        raise
    except BaseException as error:
        ending.acquire()
        is_loss = _is_loss(error)
        word = _read_last_word() if is_loss else None
        if word:
            error = _heard(_as_error(*word))
        elif is_loss:
            error = _lost(error)
        else:
            _leave_word(error)
            error = _heard(error)
        # Without this Python would first wait for the others to shut down as well.
        atexit.register(_leave, getattr(error, "exit_code", 1))
        raise error from error.__cause__


def _join(peers: Peers) -> None:
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    jax.config.update("jax_enable_preemption_service", False)  # it would take SIGTERM from us
    try:
        jax.distributed.initialize(
            peers.coordinator,
            peers.count if peers.coordinator else None,
            peers.process_id,
            heartbeat_timeout_seconds=HEARTBEAT_S,
            shutdown_timeout_seconds=2 * HEARTBEAT_S,
        )
    except (RuntimeError, ValueError) as error:
        raise errors.HostLost(f"the {peers.count} processes did not find each other: {errors.reason(error)}") from None
    if not is_first():
        logging.set_verbosity(logging.WARNING)  # process 0 tells what is true of all


def is_first() -> bool:
    """Tells whether this process is the one that writes what is written once."""
    return jax.process_index() == 0


def gather(value: Any) -> list[Any]:
    """Returns what all processes give here, in their order, as JSON keeps it; nobody goes on before all have come."""
    if jax.process_count() == 1:
        return [value]
    client, key = distributed.global_state.client, f"gan_ssl/gather/{next(_calls)}"
    mine = f"{key}/{jax.process_index()}"
    client.key_value_set(mine, json.dumps(value))
    found = [client.blocking_key_value_get(f"{key}/{i}", _PATIENCE_MS) for i in range(jax.process_count())]
    client.wait_at_barrier(key, _PATIENCE_MS)
    client.key_value_delete(mine)
    return [json.loads(text) for text in found]


def _listen(ending: threading.Lock, over: threading.Event) -> None:
    """Waits for another process's last word, and ends this one with it."""
    while not over.wait(1.0):
        word = _read_last_word()
        if word is None:
            continue
        time.sleep(1.0)  # where the same fault strikes all, each tells it by itself
        if ending.acquire(blocking=False):
            error = _heard(_as_error(*word))
            print(f"error: {error}", file=sys.stderr, flush=True)
            _leave(getattr(error, "exit_code", 1))


def _leave_word(error: BaseException) -> None:
    code, line = getattr(error, "exit_code", 1), (str(error).strip().splitlines() or [""])[0]
    line = line if isinstance(error, errors.GanSslError) else f"{type(error).__name__}: {line}"
    with contextlib.suppress(Exception):  # another one was first, or the coordinator is gone
        distributed.global_state.client.key_value_set(_LAST_WORD, json.dumps([jax.process_index(), code, line]))


def _read_last_word() -> list[Any] | None:
    """Returns the last word of the process that failed first; None where none has, or where process 0 is gone."""
    try:
        return json.loads(distributed.global_state.client.key_value_try_get(_LAST_WORD))
    except jax.errors.JaxRuntimeError:
        return None


def _as_error(process: int, code: int, line: str) -> errors.GanSslError:
    error = errors.GanSslError(f"process {process} ended: {line}")
    error.exit_code = code
    return error


def _heard(error: BaseException) -> BaseException:
    """Returns the error when all processes have heard the last word.

    Where not all answer, one of them is dead, and what went wrong here came of it, whatever a library calls it.
    """
    try:
        distributed.global_state.client.wait_at_barrier(_LAST_WORD, _HEARD_MS)
    except jax.errors.JaxRuntimeError:
        return _lost(error)
    return error


def _lost(error: BaseException) -> errors.HostLost:
    said = errors.reason(error)
    return errors.HostLost(f"another process died or cannot be reached; start again to go on ({said})")


def _leave(code: int) -> NoReturn:
    """Ends the process at once; process 0, who keeps the last word, goes last."""
    sys.stdout.flush()
    sys.stderr.flush()
    if is_first() and code != errors.HostLost.exit_code:
        time.sleep(1.0)
    os._exit(code)


def _is_loss(error: BaseException | None) -> bool:
    """Tells whether an error comes from a connection to another process."""
    lost = re.compile(r"gloo|nccl|connection|coordination|heartbeat|UNAVAILABLE|DEADLINE_EXCEEDED|barrier", re.I)
    while error:
        of_jax = isinstance(error, jax.errors.JaxRuntimeError)
        if of_jax and lost.search(str(error)) or re.search("Gloo|NCCL", str(error)):  # by any name
            return True
        error = error.__cause__ or error.__context__
    return False
