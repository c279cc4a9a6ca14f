#!/usr/bin/env python3
"""The Debian packages: made of the build, looked at, installed in a clean root by the very steps of
the Dockerfile, used there, and removed again. Arguments: the build folder, a folder for what may be
kept from one run to the next. Needs root, for the root; is skipped (77) without.

Everything happens in a mount and process namespace of its own, and what runs from the packages in a
network namespace with only loopback: nothing is left mounted or running, whatever happens."""

import ctypes
import functools
import hashlib
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(SOURCE, "tests", "support"))
import dockerfile_steps as dockerfile  # noqa: E402

SKIPPED = 77
RELEASE = "bookworm"
CLONE_NEWNET = 0x40000000
INSIDE = "RIVULET_PACKAGES_INSIDE"


class failed(Exception):
    pass


def check(condition, what):
    if not condition:
        raise failed(what)


def run(*words, timeout=300, **more):
    """Its standard output. A bad exit code is a failure that shows all it said."""
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                          text=True, errors="replace", timeout=timeout, **more)
    check(done.returncode == 0, f"{shlex.join(words)}: status {done.returncode}\n{done.stdout[-6000:]}")
    return done.stdout


def skip(why):
    print("skipped:", why)
    sys.exit(SKIPPED)


def step(what):
    def named(function):
        @functools.wraps(function)
        def told(*arguments):
            begun = time.monotonic()
            result = function(*arguments)
            print(f"ok  {what} ({time.monotonic() - begun:.1f} s)", flush=True)
            return result
        return told
    return named


# ---- The files themselves.

EXPECTED = {
    "rivulet": [
        "./usr/bin/rivulet", "./usr/bin/rivulet-demo", "./etc/rivulet/rivulet.conf",
        "./lib/systemd/system/rivulet.service", "./lib/systemd/system/rivulet-worker.service",
        "./usr/lib/sysusers.d/rivulet.conf", "./usr/share/man/man1/rivulet.1.gz",
        "./usr/share/man/man1/rivulet-demo.1.gz", "./usr/share/bash-completion/completions/rivulet",
        "./usr/share/zsh/site-functions/_rivulet", "./usr/share/fish/vendor_completions.d/rivulet.fish",
        "./usr/share/doc/rivulet/README.md", "./usr/share/doc/rivulet/docs/install.md",
        "./usr/share/doc/rivulet/samples/ffmpeg/run.sh", "./usr/share/doc/rivulet/copyright",
        "./usr/share/doc/rivulet/changelog.gz"],
    "rivulet-gst": ["./usr/share/doc/rivulet-gst/copyright"],
}


@step("the packages are made of the build")
def make(build, out):
    run(os.path.join(SOURCE, "packaging", "make_packages"), build, out, timeout=300)
    found = {name.split("_")[0]: os.path.join(out, name) for name in os.listdir(out)}
    check(sorted(found) == ["rivulet", "rivulet-gst"], f"packages: {sorted(found)}")
    return found


@step("they hold what they should, with right sums, and belong to root")
def look_into(packages, folder):
    for name, file in packages.items():
        listing = run("dpkg-deb", "-c", file)
        paths = {line.split()[5] for line in listing.splitlines()}
        for path in EXPECTED[name]:
            check(path in paths, f"{name} holds no {path}:\n{listing}")
        for line in listing.splitlines():
            check(line.split()[1] == "root/root", f"{name}: not root's: {line}")
            check(line[0] == "l" or line[8] != "w", f"{name}: anybody may write: {line}")
        check("/usr/local" not in listing, f"{name} holds files below /usr/local")
        root = os.path.join(folder, name)
        run("dpkg-deb", "-R", file, root)
        with open(os.path.join(root, "DEBIAN", "md5sums"), encoding="utf-8") as sums:
            for line in sums:
                digest, path = line.rstrip("\n").split("  ", 1)
                with open(os.path.join(root, path), "rb") as content:
                    check(hashlib.md5(content.read()).hexdigest() == digest, f"{name}: the sum of {path}")
        control = run("dpkg-deb", "-f", file)
        check(re.search(r"^Depends: .*libgstreamer1\.0-0 .*gstreamer1\.0-plugins-bad", control, re.M), control)
        check(re.search(r"^Installed-Size: \d+$", control, re.M), control)
    plugin = run("find", os.path.join(folder, "rivulet-gst"), "-name", "libgstlivepeerai.so")
    check("/usr/lib/" in plugin and "/gstreamer-1.0/" in plugin, f"the plugin is at {plugin}")
    with open(os.path.join(folder, "rivulet", "DEBIAN", "conffiles"), encoding="utf-8") as names:
        check(names.read() == "/etc/rivulet/rivulet.conf\n", "conffiles")
    told = run("grep", "-rl", "/usr/local", os.path.join(folder, "rivulet", "lib"),
               os.path.join(folder, "rivulet", "etc")) if subprocess.run(
                   ["grep", "-rq", "/usr/local", os.path.join(folder, "rivulet", "lib")]).returncode == 0 else ""
    check(not told, f"/usr/local is named in {told}")


@step("an operator's settings are not installed over")
def install_settings_again(folder):
    destination = os.path.join(folder, "again")
    file = os.path.join(destination, "usr/local/etc/rivulet/rivulet.conf")
    packaging = os.path.join(SOURCE, "packaging")

    def install():
        run(os.path.join(packaging, "install_settings"), os.path.join(packaging, "rivulet.conf"),
            "/usr/local/etc/rivulet/rivulet.conf",
            env={**os.environ, "MESON_INSTALL_PREFIX": "/usr/local",
                 "MESON_INSTALL_DESTDIR_PREFIX": destination + "/usr/local"})
        with open(file, encoding="utf-8") as content:
            return content.read()
    check("monitor" in install(), "the settings are not installed")
    with open(file, "w", encoding="utf-8") as mine:
        mine.write("# mine\n")
    check(install() == "# mine\n", "the operator's settings are lost")


@step("Debian's own check of packages finds no error")
def lint(packages):
    if not shutil.which("lintian"):
        print("    (no lintian here)")
        return
    # The files are written for people to read as they are, and in the repository's layout.
    run("lintian", "--fail-on", "error", "--no-tag-display-limit", "--allow-root",
        "--suppress-tags", "bogus-mail-host,embedded-library", *packages.values())


@step("the manual pages are sound")
def read_manual(folder):
    manual = os.path.join(folder, "rivulet", "usr", "share", "man", "man1")
    for name, words in (("rivulet", ["NAME", "-httpAddr", "EXIT STATUS", "rivulet worker"]), ("rivulet-demo", ["--graph"])):
        done = subprocess.run(["man", "--warnings", "-l", os.path.join(manual, name + ".1.gz")],
                              capture_output=True, text=True, timeout=60,
                              env={**os.environ, "MANWIDTH": "100", "LC_ALL": "C.UTF-8", "MAN_KEEP_FORMATTING": ""})
        check(done.returncode == 0 and not done.stderr, f"man {name}: {done.stderr}")
        for word in words:
            check(word in done.stdout, f"man {name} says nothing of {word}")


@step("systemd takes the units, and finds their sandbox tight")
def verify_units(folder):
    if not shutil.which("systemd-analyze"):
        print("    (no systemd-analyze here)")
        return
    units = os.path.join(folder, "rivulet", "lib", "systemd", "system")
    for name in ("rivulet.service", "rivulet-worker.service"):
        with open(os.path.join(units, name), encoding="utf-8") as file:
            text = file.read()
        # The program is not installed here, and neither are its pages.
        program = os.path.join(folder, "rivulet", "usr", "bin", "rivulet")
        text = text.replace("/usr/bin/rivulet", program).replace("man:rivulet(1) ", "")
        unit = os.path.join(folder, name)
        with open(unit, "w", encoding="utf-8") as file:
            file.write(text)
        said = run("systemd-analyze", "verify", unit, timeout=60)
        ours = [line for line in said.splitlines() if "rivulet" in line]
        check(not ours, "\n".join(ours))
        run("systemd-analyze", "security", "--offline=true", "--threshold=20", unit, timeout=60)


# ---- The clean root.

def repositories():
    """Debian's repositories as apt of this machine knows them: (URL, suite, components)."""
    said = run("apt-get", "indextargets", "--format", "$(REPO_URI) $(CODENAME) $(RELEASE) $(COMPONENT)",
               "Created-By: Packages")
    found = {}
    for line in said.splitlines():
        url, codename, release, component = line.split()
        if codename in (RELEASE, f"{RELEASE}-updates", f"{RELEASE}-security"):
            found.setdefault((url, release), set()).add(component)
    return [(url, release, sorted(parts)) for (url, release), parts in found.items()]


def network_settings():
    """What apt of this machine needs to reach its repositories: proxies, old dates."""
    said = run("apt-config", "dump", "--no-empty", "--format", '%F "%v";%n')
    wanted = re.compile(r"Acquire::(https?|Check-Valid-Until|Check-Date|Retries)\b", re.I)
    return "".join(line + "\n" for line in said.splitlines() if wanted.match(line))


def bootstrap(cache):
    """The path of a minimal Debian, made once."""
    base = os.path.join(cache, RELEASE)
    if os.path.isdir(base):
        return base
    sources = repositories()
    mirror = next((url for url, release, _ in sources if release in (RELEASE, "stable", "oldstable")), None)
    check(mirror, f"apt of this machine has no repository of {RELEASE}")
    making = tempfile.mkdtemp(dir=cache)
    try:
        run("debootstrap", "--variant=minbase", "--include=ca-certificates", RELEASE, making, mirror, timeout=900)
        os.chmod(making, 0o755)
        run("rm", "-rf", os.path.join(making, "var/cache/apt/archives"), os.path.join(making, "var/lib/apt/lists"))
        os.rename(making, base)
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return base


class clean_root:
    """A copy of the minimal Debian; `run` runs a command in it."""

    def __init__(self, cache):
        self.cache = cache
        self.path = None

    def __enter__(self):
        base = bootstrap(self.cache)
        self.path = tempfile.mkdtemp(prefix="root-", dir=self.cache)
        run("cp", "-a", "--reflink=auto", base + "/.", self.path)
        os.chmod(self.path, 0o755)
        self.take_over_network()
        self.hurry()
        archives = os.path.join(self.cache, "archives")
        for folder in (archives, self.at("var/cache/apt/archives"), self.at("var/lib/apt/lists/partial")):
            os.makedirs(folder, exist_ok=True)
        run("mount", "--bind", archives, self.at("var/cache/apt/archives"))
        run("mount", "-t", "proc", "proc", self.at("proc"))
        os.makedirs(self.at("dev/shm"), exist_ok=True)
        run("mount", "-t", "tmpfs", "tmpfs", self.at("dev/shm"))
        return self

    def __exit__(self, *_):
        for mounted in ("dev/shm", "proc", "var/cache/apt/archives"):
            subprocess.run(["umount", "-l", self.at(mounted)], capture_output=True)
        # What is mounted in spite of all stays on its own file system.
        run("rm", "-rf", "--one-file-system", self.path)

    def hurry(self):
        """As images for containers do: no waiting for the disk, no pages but ours."""
        with open(self.at("etc/dpkg/dpkg.cfg.d/test"), "w", encoding="utf-8") as file:
            file.write("force-unsafe-io\npath-exclude=/usr/share/locale/*\npath-exclude=/usr/share/doc/*\n"
                       "path-include=/usr/share/doc/rivulet*\n")

    def at(self, path):
        return os.path.join(self.path, path.lstrip("/"))

    def take_over_network(self):
        for name in ("resolv.conf", "hosts"):
            shutil.copyfile(f"/etc/{name}", self.at(f"etc/{name}"))
        bundle = "/etc/ssl/certs/ca-certificates.crt"
        settings = network_settings() + 'APT::Install-Recommends "false";\n'
        if os.path.exists(bundle):
            shutil.copyfile(bundle, self.at("etc/apt/test-authorities.crt"))
            settings += 'Acquire::https::CaInfo "/etc/apt/test-authorities.crt";\n'
        with open(self.at("etc/apt/apt.conf.d/90test"), "w", encoding="utf-8") as file:
            file.write(settings)
        with open(self.at("etc/apt/sources.list"), "w", encoding="utf-8") as file:
            for url, release, parts in repositories():
                file.write(f"deb {url} {release} {' '.join(parts)}\n")

    def environment(self, **more):
        passed = {k: v for k, v in os.environ.items() if k.lower().endswith("_proxy")}
        return {**passed, "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive", "HOME": "/root", **more}

    def run(self, *words, timeout=300, **more):
        return run("chroot", self.path, *words, timeout=timeout, env=self.environment(**more))

    def as_user(self, words, confine=None, **more):
        """A process as the service's user, with no rights to gain. `confine` runs in it, before."""
        return subprocess.Popen(
            ["chroot", self.path, "setpriv", "--reuid=rivulet", "--regid=rivulet", "--clear-groups",
             "--no-new-privs", "--bounding-set=-all", *words], preexec_fn=confine,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True,
            errors="replace", env=self.environment(HOME="/var/lib/rivulet", **more))


def files_named_rivulet(root):
    said = run("find", root.path, "-xdev", "(", "-path", root.at("var/cache/apt"), "-o", "-path", root.at("proc"), "-o",
               "-path", root.at("var/log"), ")", "-prune", "-o",
               "(", "-iname", "*rivulet*", "-o", "-iname", "*livepeerai*", ")", "-print")
    return [line.removeprefix(root.path) for line in said.splitlines()]


@step("the steps of the Dockerfile install the gateway")
def install_as_the_dockerfile(root, packages, stage):
    os.makedirs(root.at("packages"))
    shutil.copy(packages["rivulet"], root.at("packages"))
    for text in stage.all("RUN"):
        root.run("sh", "-c", text, timeout=900)
    check(not os.path.exists(root.at("packages")), "the Dockerfile leaves the packages in the image")


@step("apt installs the element, and what the demo and the tests need")
def install_element(root, packages):
    shutil.copy(packages["rivulet-gst"], root.at("tmp/rivulet-gst.deb"))
    root.run("apt-get", "update", "-q", timeout=300)
    root.run("apt-get", "install", "-y", "-q", "/tmp/rivulet-gst.deb", "gstreamer1.0-tools", "ffmpeg", timeout=900)
    os.remove(root.at("tmp/rivulet-gst.deb"))


@step("the programs, the settings and the element are there")
def look_around(root, version):
    check(root.run("rivulet", "-version") == f"rivulet {version}\n", "version")
    shown = root.run("rivulet", "-printConfig", "-config", "/etc/rivulet/rivulet.conf")
    check("resultStore=/var/lib/rivulet/results" in shown, shown)
    check(root.run("rivulet-demo", "--help").startswith("rivulet-demo [--for"), "the demo's help")
    root.run("bash", "-n", "/usr/share/bash-completion/completions/rivulet")
    check("rivulet:x:" in root.run("cat", "/etc/passwd"), "there is no user rivulet")
    told = root.run("gst-inspect-1.0", "livepeerai")
    for word in ("Factory Details", "gateway", "max-latency", "on-stall"):
        check(word in told, f"gst-inspect-1.0 livepeerai says nothing of {word}:\n{told}")


def only_loopback():
    """From here on this process and what it starts see a network of their own."""
    check(ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) == 0, "no network namespace")
    run("ip", "link", "set", "lo", "up")


def get(path, port=8935):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as reply:
        return reply.read().decode()


def stop(process, what):
    process.send_signal(signal.SIGTERM)
    _, log = process.communicate(timeout=30)
    check(process.returncode == 0, f"{what} ended with {process.returncode}:\n{log[-3000:]}")


def line_of(process, what):
    """Its first line of output."""
    line = process.stdout.readline()
    if "ready" not in line:
        process.kill()
        raise failed(f"{what} did not start:\n{process.communicate()[1][-3000:]}")
    return line


def system_calls(lines):
    """The names that a unit's SystemCallFilter lines allow; groups as systemd knows them."""
    groups, group = {}, None
    for line in run("systemd-analyze", "syscall-filter", "--no-pager").splitlines():
        line = line.split("\033")[0].rstrip()
        if line.startswith("@"):
            group = groups.setdefault(line.strip(), [])
        elif group is not None and line.startswith("    ") and not line.strip().startswith("#"):
            group.append(line.strip())

    def names(word):
        return set().union(*(names(w) for w in groups[word])) if word.startswith("@") else {word}
    allowed = set()
    for line in lines:
        named = set().union(*(names(word) for word in line.lstrip("~").split()))
        allowed = allowed - named if line.startswith("~") else allowed | named
    return allowed


def system_call_filter(names):
    """Loads a filter that refuses every other call with EPERM, into this process."""
    library = ctypes.CDLL("libseccomp.so.2")
    library.seccomp_init.restype = ctypes.c_void_p
    refuse, allow = 0x00050000 | 1, 0x7FFF0000
    context = ctypes.c_void_p(library.seccomp_init(ctypes.c_uint32(refuse)))
    for name in names:
        number = library.seccomp_syscall_resolve_name(name.encode())
        if number >= 0:
            library.seccomp_rule_add(context, ctypes.c_uint32(allow), number, 0)
    return library, context


def sandbox(root, unit):
    """What systemd would do to the process before it starts, as far as that goes without systemd: the
    file system read-only but for the service's folders, a /tmp of its own, no memory that is both
    writable and executable, only the system calls of the filter."""
    libc = ctypes.CDLL(None, use_errno=True)
    filtered = None
    if shutil.which("systemd-analyze"):
        # The last three are for what runs before the program: chroot and setpriv.
        calls = system_calls(unit["SystemCallFilter"]) | {"chroot", "setuid", "setgid", "setresuid", "setresgid",
                                                          "setgroups", "capset"}
        filtered = system_call_filter(calls)
    bind, remount, read_only, private, recursive = 4096, 32, 1, 1 << 18, 16384

    def mount(source, target, flags, kind=b"none"):
        if libc.mount(source.encode(), target.encode(), kind, flags, None) != 0:
            raise OSError(ctypes.get_errno(), target)

    def confine():
        if libc.unshare(0x00020000) != 0:
            raise OSError(ctypes.get_errno(), "unshare")
        mount("none", "/", private | recursive)
        mount(root.path, root.path, bind | recursive)
        for folder in ("var/lib/rivulet", "var/cache/rivulet", "run/test"):
            mount(root.at(folder), root.at(folder), bind)
        mount("tmpfs", root.at("tmp"), 0, b"tmpfs")
        mount("none", root.path, bind | remount | read_only)
        libc.prctl(65, 1, 0, 0, 0)  # PR_SET_MDWE; older kernels don't know it
        if filtered:
            library, context = filtered
            if library.seccomp_load(context) != 0:
                raise OSError("seccomp_load")
    return confine


class service:
    """The unit's program as systemd would run it: its user, its folders, its notices."""

    def __init__(self, root, name):
        self.root, self.name = root, name

    def __enter__(self):
        root = self.root
        unit = {}
        with open(root.at(f"lib/systemd/system/{self.name}"), encoding="utf-8") as file:
            for line in file:
                key, equals, value = line.rstrip("\n").partition("=")
                if equals:
                    unit.setdefault(key, []).append(value)
        for folder in ("var/lib/rivulet", "var/cache/rivulet", "run/test"):
            os.makedirs(root.at(folder), exist_ok=True)
            root.run("chown", "rivulet:", "/" + folder)
        self.notices = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notices.settimeout(60)
        # The path must fit into an address: seen from the root's own folder.
        here = os.getcwd()
        os.chdir(root.at("run/test"))
        if os.path.exists("notify"):
            os.remove("notify")
        self.notices.bind("notify")
        os.chmod("notify", 0o777)
        os.chdir(here)
        check(unit["Type"] == ["notify"] and unit["User"] == ["rivulet"], "the unit's type and user")
        environment = dict(e.split("=", 1) for e in unit["Environment"])
        self.process = root.as_user(shlex.split(unit["ExecStart"][0]), sandbox(root, unit), NOTIFY_SOCKET="/run/test/notify", **environment)
        try:
            notice = self.notices.recv(4096).decode()
        except TimeoutError:
            self.process.kill()
            raise failed(f"{self.name} did not tell that it is ready:\n{self.process.communicate()[1][-3000:]}")
        check(notice.startswith("READY=1\nSTATUS="), notice)
        self.status = notice
        return self

    def __exit__(self, kind, *_):
        try:
            if kind is None:
                stop(self.process, self.name)
                check(self.notices.recv(4096) == b"STOPPING=1", "it did not tell that it is stopping")
        finally:
            self.process.kill()
            self.process.communicate()
            self.notices.close()


@step("the gateway runs as its unit says")
def use_gateway(root, stage):
    with service(root, "rivulet.service") as running:
        check("http 127.0.0.1:8935, rtmp 127.0.0.1:1935" in running.status, running.status)
        check("<title>" in get("/"), "no console")
        check("rivulet_" in get("/metrics", 5935), "no metrics")
        root.run(*dockerfile.health_command(stage))
        launch_element(root)
        kept = os.listdir(root.at("var/lib/rivulet"))
        check({"jobs", "results"} <= set(kept), f"in /var/lib/rivulet: {kept}")


@step("the element transforms video through it")
def launch_element(root):
    width, height, frames = 320, 240, 90
    root.run("gst-launch-1.0", "-q", "videotestsrc", "is-live=true", f"num-buffers={frames}", "pattern=white", "!",
             f"video/x-raw,format=I420,width={width},height={height},framerate=30/1", "!",
             "livepeerai", "gateway=http://127.0.0.1:8935", "pipeline=avfilter", 'params={"graph":"negate"}', "!",
             "videoconvert", "!", "video/x-raw,format=GRAY8", "!", "filesink", "location=/tmp/out.gray",
             timeout=90)
    with open(root.at("tmp/out.gray"), "rb") as file:
        content = file.read()
    os.remove(root.at("tmp/out.gray"))
    size = width * height
    came = len(content) // size
    dark = sum(content[i * size + size // 2 + width // 2] < 60 for i in range(came))
    check(dark > frames // 2, f"of {frames} white pictures {came} came, {dark} of them dark")


@step("the worker runs as its unit says")
def use_worker(root):
    with service(root, "rivulet-worker.service") as running:
        check("worker 127.0.0.1:8936" in running.status, running.status)
        get("/health", 8936)


@step("the container's command line opens its doors, and is healthy")
def use_as_container(root, stage):
    words = dockerfile.words(stage.last("ENTRYPOINT")) + dockerfile.words(stage.last("CMD"))
    check(stage.last("USER") == "rivulet", "the container's user")
    environment = dict(e.split("=", 1) for e in stage.all("ENV"))
    process = root.as_user(words, **environment)
    try:
        check("http 0.0.0.0:8935" in line_of(process, "the container's command"), "its doors")
        root.run(*dockerfile.health_command(stage))
        stop(process, "the container's command")
    finally:
        process.kill()
        process.communicate()


@step("the demo makes a negative")
def use_demo(root):
    process = root.as_user(["rivulet-demo", "--for", "4", "--graph", "negate", "--out", "/var/lib/rivulet/demo"])
    output, errors = process.communicate(timeout=120)
    check(process.returncode == 0, output + errors)
    made = sorted(os.listdir(root.at("var/lib/rivulet/demo")))
    check(made == ["in.png", "out.mp4", "out.png", "report.json"], f"the demo left {made}")


@step("a sample works where the package puts it")
def use_sample(root):
    process = root.as_user(["/usr/share/doc/rivulet/samples/ffmpeg/run.sh"], RIVULET_SAMPLE_SECONDS="1")
    output, errors = process.communicate(timeout=180)
    check(process.returncode == 0, output + errors)


@step("removed, nothing of it is left but the operator's own")
def remove(root):
    secret = root.at("etc/rivulet/keys")
    with open(secret, "w", encoding="utf-8") as file:
        file.write("secret\n")
    root.run("chgrp", "rivulet", "/etc/rivulet/keys")
    os.chmod(secret, 0o640)
    root.run("dpkg", "--remove", "rivulet", "rivulet-gst")
    left = files_named_rivulet(root)
    check(any(f.startswith("/etc/rivulet/") for f in left), "removing took the settings, too")
    root.run("dpkg", "--purge", "rivulet", "rivulet-gst")
    left = files_named_rivulet(root)
    check(left == ["/etc/rivulet"] and os.listdir(root.at("etc/rivulet")) == ["keys"], f"left behind: {left}")
    # Nobody else may get the number of the group that reads it.
    check(root.run("stat", "-c", "%G", "/etc/rivulet/keys") == "rivulet\n", "the user is gone, its secret is not")


def main():
    build, cache = (os.path.abspath(p) for p in sys.argv[1:3])
    if os.geteuid() != 0:
        skip("a clean root needs root")
    if not shutil.which("debootstrap"):
        skip("there is no debootstrap")
    with open("/etc/os-release", encoding="utf-8") as file:
        if f"VERSION_CODENAME={RELEASE}" not in file.read():
            skip(f"packages of this machine are not for {RELEASE}")
    namespace = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    if not os.environ.get(INSIDE):
        if subprocess.run([*namespace, "true"], capture_output=True).returncode != 0:
            skip("namespaces are not allowed here")
        os.environ[INSIDE] = "1"
        os.execvp(namespace[0], [*namespace, sys.executable, *sys.argv])
    os.makedirs(cache, exist_ok=True)
    # A run that was killed leaves its root behind; nobody else uses this folder.
    for name in os.listdir(cache):
        if name.startswith(("root-", "tmp")):
            run("rm", "-rf", "--one-file-system", os.path.join(cache, name))
    with open(os.path.join(SOURCE, "packaging", "docker", "Dockerfile"), encoding="utf-8") as file:
        stage = dockerfile.read(file.read())[-1]
    version = re.search(r"version: '([\d.]+)'", open(os.path.join(SOURCE, "meson.build"), encoding="utf-8").read())[1]
    with tempfile.TemporaryDirectory() as folder:
        packages = make(build, os.path.join(folder, "out"))
        look_into(packages, folder)
        install_settings_again(folder)
        lint(packages)
        read_manual(folder)
        verify_units(folder)
        with clean_root(cache) as root:
            install_as_the_dockerfile(root, packages, stage)
            install_element(root, packages)
            look_around(root, version)
            only_loopback()
            use_gateway(root, stage)
            use_worker(root)
            use_as_container(root, stage)
            use_demo(root)
            use_sample(root)
            remove(root)
    print("the packages are good")


if __name__ == "__main__":
    try:
        main()
    except (failed, subprocess.TimeoutExpired) as why:
        print(f"FAILED: {why}", file=sys.stderr)
        sys.exit(1)
