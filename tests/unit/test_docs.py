"""The documents are kept true: what they link, show, name and promise is looked up in the program."""

import ast
import importlib
import re
import shlex
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import typer

from scheduler.checker.reading import RULES
from scheduler.cli.application import app
from scheduler.config import installed, load, policy_sets
from scheduler.core.alerts import CODES
from scheduler.core.model import Mode
from scheduler.core.terms import TERM_TYPES
from scheduler.plugins.building import build
from scheduler.plugins.registry import OURS, POLICIES, PRICE_SOURCES

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    [ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "systemd/README.md")]
    + list((ROOT / "docs").rglob("*.md"))
)
BY_NAME = {str(page.relative_to(ROOT)): page for page in PAGES}
GUIDES = [page for name, page in BY_NAME.items() if name == "README.md" or name.startswith("docs/")]
POLICY_PAGE = "docs/writing-a-policy.md"
SOURCE_PAGE = "docs/writing-a-price-source.md"
PACKAGES = ("scheduler", "policies", "storage", "simulator", "tests", "docs", "systemd", "bench")
ENVIRON = {"KWHEN_ENODE__CLIENT_SECRET": "secret-of-no-account", "KWHEN_WEBHOOK__SECRET": "0123456789abcdef0123"}
ENODE = '[enode]\nenvironment = "sandbox"\nclient_id = "me"\n'
HOME = '[[home]]\nid = "h"\nuser_id = "u"\ntimezone = "Europe/Oslo"\n[[home.vehicle]]\nid = "v"\n'


class Block(NamedTuple):
    """A fenced block: its page, the line it begins at, its language, its text."""

    page: str
    line: int
    language: str
    text: str

    @property
    def where(self) -> str:
        return f"{self.page}:{self.line}"


def blocks_in(name: str, text: str) -> Iterator[Block]:
    for found in re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        yield Block(name, text[: found.start()].count("\n") + 2, found[1], found[2])


BLOCKS = [block for name, page in BY_NAME.items() for block in blocks_in(name, page.read_text())]


def prose(page: Path) -> str:
    """Return a page without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)


ALL_TEXT = "\n".join(page.read_text() for page in GUIDES)


def named(word: str, text: str = ALL_TEXT) -> bool:
    """Tell whether a word is named as code, in the prose or in a block."""
    return re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", text) is not None


# --- links and files ----------------------------------------------------------------------------------------------


def anchors(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


def broken_links(page: Path, text: str) -> list[str]:
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith(("https://", "http://")):
            continue
        path, _, anchor = target.partition("#")
        to = (page.parent / path).resolve() if path else page
        if not to.exists() or (anchor and anchor not in anchors(to)):
            broken.append(target)
    return broken


@pytest.mark.parametrize("name", BY_NAME)
def test_every_link_leads_somewhere(name):
    assert broken_links(BY_NAME[name], prose(BY_NAME[name])) == []


def test_a_link_to_nowhere_is_seen():
    text = "[a](nowhere.md) [b](configuration.md#no-such-part) [c](configuration.md#policies)"
    assert broken_links(BY_NAME["docs/index.md"], text) == ["nowhere.md", "configuration.md#no-such-part"]


def test_the_map_shows_every_page():
    index = BY_NAME["docs/index.md"]
    linked = {(index.parent / target.partition("#")[0]).resolve() for target in
              re.findall(r"\]\(([^)\s]+)\)", index.read_text())}  # fmt: skip
    assert [page for page in GUIDES if page not in linked and page != index] == []


@pytest.mark.parametrize("name", [name for name in BY_NAME if name != "CHANGELOG.md"])
def test_every_file_that_is_named_exists(name):
    paths = re.findall(rf"`((?:{'|'.join(PACKAGES)})/[\w./-]*)`", prose(BY_NAME[name]))
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_every_package_that_is_named_exists():
    modules = re.findall(r"`(scheduler\.\w+)`", ALL_TEXT)
    missing = [m for m in modules if importlib.util.find_spec(m) is None]
    assert modules
    assert missing == []


# --- commands -----------------------------------------------------------------------------------------------------

ROOT_COMMAND: Any = typer.main.get_command(app)


def shell_lines(text: str) -> Iterator[str]:
    for line in text.replace("\\\n", " ").splitlines():
        if line.startswith("kwhen "):
            yield line


def parse(line: str) -> str:
    """Parse a command line as the program would, without running it; return what is wrong, or nothing."""
    words = shlex.split(re.split(r" [|>] ", line)[0], comments=True)[1:]
    command, context = ROOT_COMMAND, None
    try:
        while True:
            name = "kwhen" if context is None else command.name
            context = command.make_context(name, list(words), parent=context)
            rest = [*context._protected_args, *context.args] if hasattr(command, "commands") else []
            if not rest:
                return "" if not hasattr(command, "commands") else "names no command"
            _, command, words = command.resolve_command(context, rest)
    except typer.Exit:
        return ""
    except Exception as error:  # noqa: BLE001 - whatever the parser has against it
        return str(getattr(error, "message", "")) or repr(error)


SHOWN = [(block.where, line) for block in BLOCKS if block.language == "sh" for line in shell_lines(block.text)]
"""Every command line shown in a block of shell."""


@pytest.mark.parametrize(("where", "line"), SHOWN)
def test_every_command_shown_is_understood(where, line):
    assert parse(line) == "", where


@pytest.mark.parametrize(
    "line",
    ["kwhen fly", "kwhen status --loud", "kwhen override charge", "kwhen override ready-by Blue", "kwhen journal"],
)
def test_a_wrong_command_is_not_understood(line):
    assert parse(line) != ""


def leaves(command: Any, path: str) -> Iterator[str]:
    if not hasattr(command, "commands"):
        yield path
        return
    for name, one in command.commands.items():
        yield from leaves(one, f"{path} {name}")


@pytest.mark.parametrize("command", list(leaves(ROOT_COMMAND, "kwhen")))
def test_every_command_is_named(command):
    assert re.search(rf"{re.escape(command)}(?![\w-])", ALL_TEXT)


# --- names --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", CODES)
def test_every_alert_is_explained(code):
    assert re.search(rf"^\| `{code}` \| .+ \| .+ \|$", BY_NAME["docs/operating.md"].read_text(), re.MULTILINE)


def test_no_alert_is_explained_that_does_not_exist():
    told = set(re.findall(r"^\| `([A-Z_]+)` \|", BY_NAME["docs/operating.md"].read_text(), re.MULTILINE))
    assert told == set(CODES)


@pytest.mark.parametrize("group", [POLICIES, PRICE_SOURCES])
def test_every_plugin_is_named(group):
    ours = [one.name for one in entry_points(group=group) if one.dist is not None and one.dist.name == OURS]
    text = BY_NAME["docs/configuration.md"].read_text()
    assert ours
    assert [name for name in ours if not named(f"`{name}`", text)] == []


@pytest.mark.parametrize("term", [kind.__name__ for kind in TERM_TYPES.values()])
def test_every_term_is_described(term):
    assert re.search(rf"^\| `{term}\(", BY_NAME[POLICY_PAGE].read_text(), re.MULTILINE)


@pytest.mark.parametrize("mode", list(Mode))
def test_every_mode_is_described(mode):
    assert f"| `{mode}` |" in BY_NAME["docs/configuration.md"].read_text()


@pytest.mark.parametrize("status", [0, 1, 2, 65, 69, 70, 78])
def test_every_exit_status_is_described(status):
    assert re.search(rf"^\| {status} \| .+ \|$", BY_NAME["docs/operating.md"].read_text(), re.MULTILINE)


@pytest.mark.parametrize("rule", sorted({rule.code for rule in RULES}))
def test_every_checked_rule_is_listed(rule):
    assert named(rule, BY_NAME["docs/how-it-decides.md"].read_text())


def test_every_metric_is_named():
    source = (ROOT / "scheduler/http/metrics.py").read_text()
    whole = set(re.findall(r'"(kwhen_\w+)"', source)) - {"kwhen_vehicle_"}
    vehicle = {f"kwhen_vehicle_{name}" for name in re.findall(r'self\._gauge\("(\w+)"', source)}
    text = BY_NAME["docs/operating.md"].read_text()
    assert len(whole | vehicle) > 8
    assert [name for name in sorted(whole | vehicle) if f"`{name}`" not in text] == []


# --- the journal --------------------------------------------------------------------------------------------------


def emitted() -> dict[str, set[str]]:
    """Return the members of every journal line that the code writes as a literal, by kind."""
    found: dict[str, set[str]] = {}
    for path in (ROOT / "scheduler").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Dict):
                continue
            members = {k.value: v for k, v in zip(node.keys, node.values, strict=True) if isinstance(k, ast.Constant)}
            kind = members.pop("k", None)
            if isinstance(kind, ast.Constant):
                found.setdefault(str(kind.value), set()).update(str(member) for member in members)
    return found


EMITTED = emitted()
COMMON = {"seq", "t", "m", "run", "node", "v"}


def journal_sections() -> dict[str, str]:
    parts = re.split(r"^### (\w+)$", BY_NAME["docs/journal.md"].read_text(), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@pytest.mark.parametrize("kind", sorted(EMITTED))
def test_every_journal_event_is_described_with_its_members(kind):
    section = journal_sections()[kind]
    assert [member for member in sorted(EMITTED[kind] - COMMON) if f"`{member}`" not in section] == []


def test_no_journal_event_is_described_that_nobody_writes():
    assert set(journal_sections()) == set(EMITTED)


# --- code and configuration -----------------------------------------------------------------------------------------


def completed(text: str) -> str:
    """Return a part of a configuration with as much around it as makes it whole."""
    head = "" if "[enode]" in text else ENODE
    return head + ("" if "[[home]]" in text or "[[home." not in text else HOME) + text


SNIPPETS = [block for block in BLOCKS if block.language == "toml" and block.page not in {POLICY_PAGE, SOURCE_PAGE}]


@pytest.mark.parametrize("block", SNIPPETS, ids=lambda block: block.where)
def test_every_piece_of_configuration_loads(block, tmp_path):
    path = tmp_path / "kwhen.toml"
    path.write_text(completed(block.text))
    settings = load(path, {**ENVIRON, "HOME": str(tmp_path)})
    assert set(policy_sets(settings, installed())) == {home.id for home in settings.homes}


class Shown(NamedTuple):
    """What a page shows of a plugin: its class, how many tests ran, and the settings that choose it."""

    name: str
    cls: Any
    tests: int
    settings: dict[str, Any]


@pytest.fixture
def shown(tmp_path, monkeypatch):
    """Write down a page's plugin and its tests as it says, and run the tests."""
    monkeypatch.syspath_prepend(tmp_path)

    def run(page: str, group: str) -> Shown:
        mine = [block for block in BLOCKS if block.page == page]
        plugin, test = [block.text for block in mine if block.language == "python"]
        package, settings = [tomllib.loads(block.text) for block in mine if block.language == "toml"]
        ((name, value),) = package["project"]["entry-points"][group].items()
        module, _, cls = value.partition(":")
        for each, text in ((module, plugin), (module.replace("kwhen", "test"), test)):
            monkeypatch.setitem(sys.modules, each, None)  # so that both are forgotten afterwards
            del sys.modules[each]
            assert f"`{each}.py`" in BY_NAME[page].read_text()
            (tmp_path / f"{each}.py").write_text(text)
        tests = importlib.import_module(module.replace("kwhen", "test"))
        ran = [function() for each, function in vars(tests).items() if each.startswith("test_")]
        return Shown(name, getattr(importlib.import_module(module), cls), len(ran), settings)

    return run


def test_the_page_on_policies_holds_true(shown):
    page = shown(POLICY_PAGE, POLICIES)
    assert page.tests == 3
    (chosen,) = page.settings["home"]["policy"]
    assert chosen.pop("name") == page.name
    assert build(page.cls, chosen).hours == 2


def test_the_page_on_price_sources_holds_true(shown):
    page = shown(SOURCE_PAGE, PRICE_SOURCES)
    assert page.tests == 4
    (chosen,) = page.settings["prices"]
    assert (chosen.pop("name"), chosen.pop("source")) == ("market", page.name)
    assert build(page.cls, chosen).zone == "SE3"


def test_a_source_takes_less_than_80_lines():
    """The one shown, and every built-in that asks a service of its own; a file of anybody's takes more."""
    page = next(block for block in BLOCKS if block.page == SOURCE_PAGE and block.language == "python")
    lines = {"the page": len(page.text.splitlines())}
    for point in entry_points(group=PRICE_SOURCES):
        if point.name in {"file", "url"}:
            continue
        module = importlib.import_module(point.value.partition(":")[0])
        lines[point.name] = len(Path(str(module.__file__)).read_text().splitlines())
    assert len(lines) >= 16
    assert {name: count for name, count in lines.items() if count >= 80} == {}


def test_the_policy_shown_is_short():
    policy = next(block for block in BLOCKS if block.page == POLICY_PAGE and block.language == "python")
    assert len([line for line in policy.text.splitlines() if line.strip()]) <= 30
