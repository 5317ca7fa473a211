from pathlib import Path

from scheduler.cli.options import SYSTEM_CONFIG, config_path
from scheduler.cli.place import configured_socket, find_socket, socket_places


def test_a_persons_own_daemon_comes_before_the_systems():
    places = socket_places({"XDG_RUNTIME_DIR": "/run/user/7", "HOME": "/home/ada"})
    assert places == (
        Path("/run/user/7/kwhen/kwhen.sock"),
        Path("/home/ada/.local/state/kwhen/kwhen.sock"),
        Path("/run/kwhen/kwhen.sock"),
    )


def test_systemd_names_the_place_itself():
    assert socket_places({"RUNTIME_DIRECTORY": "/run/kwhen:/run/more"})[0] == Path("/run/kwhen/kwhen.sock")


def test_the_configuration_may_name_the_socket(tmp_path):
    config = tmp_path / "kwhen.toml"
    config.write_text('socket = "/srv/kwhen.sock"\n')
    assert find_socket(None, config) == Path("/srv/kwhen.sock")
    assert find_socket(Path("/mine.sock"), config) == Path("/mine.sock")


def test_a_configuration_that_cannot_be_read_is_no_hindrance(tmp_path):
    broken = tmp_path / "kwhen.toml"
    broken.write_text("socket = ")
    assert configured_socket(broken) is None
    assert configured_socket(tmp_path / "none.toml") is None


def test_a_persons_own_configuration_comes_before_the_systems(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert config_path(None) == SYSTEM_CONFIG
    own = tmp_path / "kwhen" / "kwhen.toml"
    own.parent.mkdir()
    own.touch()
    assert config_path(None) == own
    assert config_path(Path("given.toml")) == Path("given.toml")
