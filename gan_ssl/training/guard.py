"""The small parent of a process that is one of several: it says in one line why that one ended.

JAX ends a process whose peers are gone from native code, with an abort and a page of text.
"""

import os
import re
import signal
import subprocess
import sys
import threading

from gan_ssl import errors

_GUARDED = "GAN_SSL_GUARDED"
# Lines of native code, JAX's and Gloo's: after the first kind nothing but its end follows, the second it grumbles.
_DOOM = re.compile(r"F\d{4} \d\d:\d\d:|E\d{4} .*(unhealthy|[Hh]eartbeat|Polled an error)|terminate called")
_HUSHED = re.compile(r"[WE]\d{4} \d\d:\d\d:\S+ +\d+ \S*(coordination|distributed|client|service)\S*\.(cc|h):\d+\]")


def is_guarded() -> bool:
    """Tells whether this process has such a parent."""
    return _GUARDED in os.environ


def run() -> int:
    """Runs this very command in a process of its own, passes signals on, and returns the code to end with."""
    child = subprocess.Popen(
        [sys.executable, *sys.orig_argv[1:]],
        stdin=subprocess.PIPE,  # held open as long as this process lives: see `follow`
        stderr=subprocess.PIPE,
        env=os.environ | {_GUARDED: "1"},
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda received, frame: child.send_signal(received))
    held = []  # from where it is doomed
    for line in child.stderr or ():
        text = line.decode(errors="replace")
        if held or _DOOM.match(text):
            held.append(text)
        elif not _HUSHED.match(text):
            sys.stderr.write(text)
            sys.stderr.flush()
    code = child.wait()
    if code >= 0:  # Python was faster than the abort; a bug's traceback is shown whole
        print("".join(text for text in held if code == 1 or text.startswith("error: ")), end="", file=sys.stderr)
        return code
    text = "".join(held)
    if held and ("terminate called" not in held[0] or "gloo" in text):
        print(f"error: {_reason(text)}; start again to go on", file=sys.stderr)
        return errors.HostLost.exit_code
    print(text, end="", file=sys.stderr)
    print(f"error: this process was ended by {signal.Signals(-code).name}", file=sys.stderr)
    return 128 - code


def _reason(text: str) -> str:
    """Says what JAX's fatal lines say."""
    listed = re.search(r"unhealthy[^\n]*\n((?:\S*\d+\n)+)", text)
    dead = re.findall(r"(\d+)\n", listed[1]) if listed else []
    if dead:
        return f"process {', '.join(sorted(set(dead), key=int))} died or cannot be reached"
    if "gloo" in text:
        return "another process died or cannot be reached"
    if "RegisterTask" in text:
        return "not all processes came within 5 minutes"
    if re.search("UNAVAILABLE|DEADLINE_EXCEEDED|[Hh]eartbeat|leader", text):
        return "process 0 died or cannot be reached"
    return " ".join(text.split())[:300]


def follow() -> None:
    """Ends this process when its parent dies, however that happens; without a parent of this kind it does nothing."""
    if is_guarded():
        threading.Thread(target=_wait_for_parent, name="parent", daemon=True).start()


def _wait_for_parent() -> None:
    while os.read(0, 1024):
        pass
    os._exit(128 + signal.SIGKILL)
