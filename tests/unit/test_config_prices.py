"""What `[[prices]]` tables say of one another, and where their tokens come from."""

import pytest

from scheduler.config import load
from scheduler.core.errors import ConfigError

ENODE = '[enode]\nenvironment = "sandbox"\nclient_id = "me"\n'
ENVIRON = {"KWHEN_ENODE__CLIENT_SECRET": "secret-of-no-account"}
TOKEN = "a-token-of-the-owner"


@pytest.fixture
def loaded(tmp_path):
    def loaded(text, **environ):
        path = tmp_path / "kwhen.toml"
        path.write_text(ENODE + text)
        return load(path, {**ENVIRON, "HOME": str(tmp_path), **environ})

    return loaded


@pytest.fixture
def refused(loaded):
    def refused(text, **environ):
        with pytest.raises(ConfigError) as caught:
            loaded(text, **environ)
        return [problem.partition("kwhen.toml:")[2] for problem in caught.value.problems]

    return refused


def table(name="market", source="fixed", **settings):
    chosen = {"price": 0.2, "currency": "EUR"} if source == "fixed" else {}
    lines = [
        f"{key} = {value!r}" if isinstance(value, float) else f'{key} = "{value}"'
        for key, value in {**chosen, **settings}.items()
    ]
    return f'[[prices]]\nname = "{name}"\nsource = "{source}"\n' + "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    ("stand_in", "why"),
    [
        ("backupp", "prices[0].stand_in: no [[prices]] is named 'backupp'; did you mean 'backup'?"),
        ("market", "prices[0].stand_in: cannot stand in for itself; name another of [[prices]]"),
    ],
)
def test_a_stand_in_must_be_another_of_the_tables(refused, stand_in, why):
    (problem,) = refused(table(stand_in=stand_in) + table("backup"))
    assert problem.endswith(why)


def test_a_stand_in_is_taken(loaded):
    assert [one.stand_in for one in loaded(table(stand_in="backup") + table("backup")).prices] == ["backup", ""]


@pytest.mark.parametrize(
    "url", ["http://prices.example.org", "ftp://prices.example.org", "prices.example.org", "https://", "http://[::1"]
)
def test_an_address_must_be_safe(refused, url):
    (problem,) = refused(table(source="energy-charts", zone="AT", url=url))
    assert "prices[0].url: " in problem


@pytest.mark.parametrize("url", ["https://prices.example.org", "http://127.0.0.1:8765/x", "http://localhost/"])
def test_a_safe_address_is_taken(loaded, url):
    assert loaded(table(source="energy-charts", zone="AT", url=url)).prices[0].settings["url"] == url


def test_a_source_that_needs_a_token_says_where_it_may_be_put(refused):
    (problem,) = refused(table("home-prices", source="tibber"))
    assert "tibber needs a token; set KWHEN_PRICES_SECRET__HOME_PRICES" in problem
    assert "prices_secret_home_prices" in problem


def test_a_token_comes_from_a_variable_without_the_newline_at_its_end(loaded):
    settings = loaded(table(source="tibber"), KWHEN_PRICES_SECRET__MARKET=f"{TOKEN}\n")
    assert settings.prices[0].secret.reveal() == TOKEN
    assert TOKEN in settings.secrets()
    assert TOKEN not in repr(settings)


def test_a_token_comes_from_a_file(loaded, tmp_path):
    file = tmp_path / "prices_secret_market"
    file.write_text(TOKEN)
    file.chmod(0o600)
    settings = loaded(table(source="tibber"), CREDENTIALS_DIRECTORY=str(tmp_path))
    assert settings.prices[0].secret.reveal() == TOKEN
    assert settings.origins["prices.market"] == str(file)


def test_a_token_in_the_file_of_settings_is_an_unknown_key(refused):
    (problem,) = refused(table(source="tibber", token=TOKEN), KWHEN_PRICES_SECRET__MARKET=TOKEN)
    assert "prices[0].token" in problem
    assert TOKEN not in problem


def test_two_names_never_share_one_place_for_their_secrets(refused):
    (problem,) = refused(table("a-b") + table("a_b"))
    assert problem.endswith(
        "prices[1].name: 'a_b' and 'a-b' would share one place for their secrets; choose another name"
    )


def test_what_prices_are_of_changes_with_the_settings_and_tells_none_of_them(loaded):
    products = {
        loaded(table(source="nord-pool", zone=zone, currency=currency)).prices[0].product
        for zone, currency in (("NO1", "NOK"), ("NO1", "EUR"), ("SE3", "EUR"))
    }
    assert len(products) == 3
    assert all(product.startswith("nord-pool ") and "NO1" not in product for product in products)


def test_a_misspelt_variable_of_a_token_is_named(refused):
    problems = refused(table(source="tibber"), KWHEN_PRICES_SECRET__MARKTE=TOKEN)
    assert any("needs a token" in problem for problem in problems)
