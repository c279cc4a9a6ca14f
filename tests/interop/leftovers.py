"""Imported by tests that start programs: none of these outlives its test, however that ends.

What a program leaves behind counts as the test's, too. Programs that still run are named and killed.
"""

import atexit
import ctypes
import os
import signal
import sys
import time

PR_SET_CHILD_SUBREAPER = 36


def running_children():
    """Process id and command line of each."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
                state, parent = file.read().rsplit(")", 1)[1].split()[:2]
            if int(parent) == os.getpid() and state not in "ZX":
                with open(f"/proc/{pid}/cmdline", "rb") as file:
                    found.append((int(pid), file.read().replace(b"\0", b" ").decode(errors="replace")))
        except OSError:  # it ended meanwhile
            pass
    return found


def end_all():
    until = time.monotonic() + 5
    named = set()
    # Again, because a killed one hands its own programs over.
    while (children := running_children()) and time.monotonic() < until:
        for pid, command in children:
            if pid not in named:
                print(f"killed, because the test left it running: {command}", file=sys.stderr)
                named.add(pid)
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)


ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
atexit.register(end_all)
