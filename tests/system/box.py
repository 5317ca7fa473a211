"""A machine of its own for the unit: `sdbox` driven from Python, and kwhen installed for it in /opt/kwhen."""

import hashlib
import shutil
import subprocess
import time
import tomllib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.conftest import CHECKOUT

SDBOX = Path(__file__).with_name("sdbox")
UNIT = CHECKOUT / "systemd" / "kwhen.service"
SYSTEM_PYTHON = Path("/usr/bin/python3")  # one under a home directory is out of the unit's sight
PIP = "/opt/kwhen/bin/python -m pip install -qq"
BOOT_S = 30.0


def obstacle() -> str | None:
    """Return why no box can be had here, None if one can."""
    if shutil.which("bash") is None:
        return "no bash"
    probe = subprocess.run([SDBOX, "probe"], capture_output=True, text=True, check=False)
    if probe.returncode != 0:
        return probe.stdout.strip() or probe.stderr.strip()
    suitable = "import ensurepip, sys; sys.exit(sys.version_info < (3, 11))"
    if subprocess.run([SYSTEM_PYTHON, "-c", suitable], capture_output=True, check=False).returncode != 0:
        return f"{SYSTEM_PYTHON} is older than 3.11 or lacks venv"
    return None


class Box:
    """A booted box; commands run in it as root."""

    def __init__(self, state: Path) -> None:
        self._state = state

    def run(self, *command: str, check: bool = True) -> str:
        """Run a command inside and return what it printed."""
        done = subprocess.run(
            [SDBOX, "run", self._state, *command], capture_output=True, text=True, check=False, timeout=60
        )
        if check and done.returncode != 0:
            msg = f"{' '.join(command)}: {done.stdout}{done.stderr}\n{self.journal()}"
            raise AssertionError(msg)
        return done.stdout

    def write(self, path: str, text: str) -> None:
        """Write a file inside, for root alone to read, with the directories above it."""
        shell = 'mkdir -p "$(dirname "$1")" && printf %s "$2" > "$1" && chmod 600 "$1"'
        self.run("bash", "-c", shell, "-", path, text)

    def show(self, name: str) -> str:
        """Return one property of kwhen.service."""
        return self.run("systemctl", "show", "--value", "--property", name, "kwhen").strip()

    def journal(self) -> str:
        """Return everything that systemd and the service have said."""
        return self.run("journalctl", "--no-pager", "--output", "cat", check=False)

    def wait_until(self, condition: Callable[[], bool], what: str, within_s: float = 20.0) -> None:
        """Look until the condition holds, or fail with the journal."""
        until = time.monotonic() + within_s
        while not condition():
            assert time.monotonic() < until, f"not within {within_s} s: {what}\n{self.journal()}"
            time.sleep(0.05)


@contextmanager
def booted(state: Path, *, environment: Path, prepare: str = "") -> Iterator[Box]:
    """Boot a box with the unit and the environment installed, and shut it down at the end.

    Args:
        state: an empty directory.
        environment: what `dependencies` returned, with kwhen installed.
        prepare: shell commands run before the boot; `$1` is the root to come.
    """
    script = state / "prepare.sh"
    script.write_text(
        f'set -e\nmkdir -p "$1/opt/kwhen"\nmount --bind "{environment}" "$1/opt/kwhen"\n'
        f'cp "{UNIT}" "$1/etc/systemd/system/kwhen.service"\n{prepare}\n'
    )
    with (state / "boot.log").open("w") as log:
        outside = subprocess.Popen([SDBOX, "boot", state, script], stdout=log, stderr=log, process_group=0)
    box = Box(state)
    until = time.monotonic() + BOOT_S
    try:
        while box.run("systemctl", "is-system-running", check=False).strip() not in {"running", "degraded"}:
            if outside.poll() is not None or time.monotonic() > until:
                raise AssertionError("no boot: " + (state / "boot.log").read_text())
            time.sleep(0.05)
        yield box
        subprocess.run([SDBOX, "off", state], check=True)
        outside.wait(timeout=30)
    finally:
        outside.kill()
        outside.wait()
        subprocess.run([SDBOX, "clean", state], check=True)


def dependencies(cache: Path) -> Path:
    """Return an environment, to be mounted at /opt/kwhen, that holds all that kwhen needs; kept until versions change.

    Raises:
        subprocess.CalledProcessError: something could not be fetched.
    """
    recipe = [CHECKOUT / "constraints.txt", CHECKOUT / "pyproject.toml", SYSTEM_PYTHON.resolve(), Path(__file__)]
    environment = cache / digest(recipe)[:16]
    if not (environment / "complete").exists():
        shutil.rmtree(cache)  # those of other versions too
        environment.mkdir(parents=True)
        project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())
        requirements = [*project["project"]["dependencies"], *project["build-system"]["requires"]]
        (environment / "requirements.txt").write_text("\n".join(requirements))
        pip = f"{PIP} --constraint constraints.txt"
        _at_opt_kwhen(
            environment,
            f"{SYSTEM_PYTHON} -m venv /opt/kwhen && {pip} pip && {pip} -r /opt/kwhen/requirements.txt",
        )
        (environment / "complete").touch()
    return environment


def install(environment: Path) -> None:
    """Install this checkout's kwhen into the environment, as a user would, unless it is there; nothing is fetched.

    Raises:
        subprocess.CalledProcessError: the project does not build.
    """
    packages = ("scheduler", "policies", "storage", "simulator")
    sources = [path for package in packages for path in sorted((CHECKOUT / package).rglob("*.*")) if path.is_file()]
    current = digest([path for path in sources if path.suffix != ".pyc"])
    there = environment / "installed"
    if not there.exists() or there.read_text() != current:
        _at_opt_kwhen(environment, f"{PIP} --no-deps --no-build-isolation --force-reinstall .")
        there.write_text(current)


def digest(paths: Iterable[Path]) -> str:
    """Return a digest of the files' names and contents."""
    found = hashlib.sha256()
    for path in paths:
        found.update(f"{path}\0".encode())
        found.update(path.read_bytes())
    return found.hexdigest()


def _at_opt_kwhen(environment: Path, command: str) -> None:
    """Run the command where the environment lies at /opt/kwhen, so that its scripts are what a user gets.

    Only this command and its children see it there: it has mounts of its own.
    """
    script = f"""
        set -e
        mount -t tmpfs tmpfs /mnt
        mkdir /mnt/upper /mnt/work
        mount -t overlay -o lowerdir=/opt,upperdir=/mnt/upper,workdir=/mnt/work overlay /opt
        mkdir -p /opt/kwhen
        mount --bind "$1" /opt/kwhen
        cd "$2"
        {command}
    """
    subprocess.run(
        ["unshare", "--mount", "--propagation", "private", "bash", "-c", script, "-", environment, CHECKOUT],
        check=True,
    )
