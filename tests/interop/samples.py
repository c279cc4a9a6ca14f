#!/usr/bin/python3
"""Runs a sample's run.sh as somebody would who tries it, on free ports and for a few seconds: it says
itself what it checks, and its exit code is the answer. Then nothing of it may be left: no process, no
scratch folder. Arguments: the binary, the build folder, the sample's name, and words for its run.sh.

Exit code 77, "skipped", where the machine lacks a program that the sample needs; it is named."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
SAMPLES = os.path.join(HERE, "../../samples")
RUNNER = os.path.join(HERE, "aiohttp_runner.py")
LIMIT = 150

# What a sample can't be tried without; without anything else it has to work.
NEEDS = {"haproxy": ["haproxy"], "element": ["gst-launch-1.0"]}


def left_over(folder):
    """Processes whose environment names the folder: what the sample started and did not end."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                ours = os.fsencode(folder) in file.read()
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                command = file.read().replace(b"\0", b" ").decode(errors="replace").strip()
            with open(f"/proc/{pid}/stat") as file:
                state = file.read().rsplit(")", 1)[1].split()[0]
        except OSError:
            continue
        if ours and int(pid) != os.getpid() and state != "Z":
            found.append((int(pid), command))
    return found


def environment(binary, build, name, folder):
    path = os.environ["PATH"] + ":/usr/sbin"
    if name == "mediamtx":  # the stand-in is what is tried, wherever this runs
        path = ":".join(part for part in path.split(":") if not os.path.exists(os.path.join(part, "mediamtx")))
    given = {"PATH": path, "RIVULET": binary, "TMPDIR": folder, "HOME": folder, "LC_ALL": "C.UTF-8",
             "RIVULET_SAMPLE_SECONDS": "1", "RIVULET_SAMPLE_PORTS": "free", "PYTHONDONTWRITEBYTECODE": "1",
             "RIVULET_PLUGIN": os.path.join(build, "plugins/gst"),
             # No engine, even where one is installed: an image takes too long to build here.
             "DOCKER_HOST": "unix:///nowhere", "GST_REGISTRY": os.path.join(folder, "registry.bin")}
    modules = os.path.join(os.environ.get("SDK_MODULES", "/nowhere"), "node_modules")
    if os.path.isdir(modules):
        given["RIVULET_SAMPLE_MODULES"] = modules
    for kept in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS"):
        if kept in os.environ:
            given[kept] = os.environ[kept]
    return given


def main():
    binary, build, name, *words = sys.argv[1:]
    missing = [one for one in NEEDS.get(name, []) if not shutil.which(one, path=os.environ["PATH"] + ":/usr/sbin")]
    if missing:
        print(f"skipped: {', '.join(missing)} is not installed")
        return 77
    with tempfile.TemporaryDirectory(prefix="rivulet-samples-") as folder:
        given = environment(os.path.abspath(binary), os.path.abspath(build), name, folder)
        runner = None
        if name == "comfystream":
            runner = subprocess.Popen(["/usr/bin/python3", RUNNER, "--kind", "stream", "--model", "comfyui"],
                                      stdout=subprocess.PIPE, text=True)
            given["RUNNER"] = "http://127.0.0.1:" + runner.stdout.readline().split()[1]
        try:
            # A session of its own, so that a sample that hangs can be ended with all it started.
            running = subprocess.Popen([os.path.join(SAMPLES, name, "run.sh"), *words], env=given, cwd="/",
                                       stdin=subprocess.DEVNULL, start_new_session=True)
            try:
                code = running.wait(timeout=LIMIT)
            except subprocess.TimeoutExpired:
                print(f"FAILED: not over after {LIMIT} s")
                running.terminate()  # it ends what it has started
                code = running.wait(timeout=60) or 1
        finally:
            if runner:
                runner.terminate()
                runner.communicate(timeout=20)
        left = left_over(folder)
        for pid, command in left:
            print(f"FAILED: still there after the sample: {command}")
            os.kill(pid, signal.SIGKILL)
        files = [one for one in os.listdir(folder) if re.match(r"rivulet-", one)]
        if files:
            print(f"FAILED: the sample left {', '.join(files)} in its folder for temporary files")
    return code or (1 if left or files else 0)


sys.exit(main())
