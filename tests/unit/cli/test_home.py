import tomllib

from scheduler.cli.home import Found, toml_of


def found(**changes):
    members = {
        "user_id": 'ada "the first"\\',
        "vehicles": [{"id": "v-1", "vendor": "TESLA", "name": None, "needs": []}],
        "chargers": [
            {"id": "c-1", "vendor": "ZAPTEC", "name": "Garage", "location_id": "l-1", "vehicle_id": None},
            {"id": "c-2", "vendor": "EASEE", "name": "Cabin", "location_id": "l-2", "vehicle_id": None},
        ],
        "locations": [{"id": "l-1", "name": "Home, sweet \x7fhome", "timezone": "Europe/Berlin"}],
    }
    return Found(**(members | changes))


def test_the_block_to_paste_is_toml_for_one_home():
    [home] = tomllib.loads("\n".join(toml_of(found())))["home"]
    assert home["user_id"] == 'ada "the first"\\'
    assert (home["id"], home["location_id"], home["charger_ids"]) == ("ada-the-first", "l-1", ["c-1"])
    assert (home["mode"], home["timezone"]) == ("observe", "Europe/Berlin")
    assert home["vehicle"] == [{"id": "v-1", "name": "Tesla"}]
    assert home["policy"][0]["name"] == "ready-by"


def test_a_user_without_a_location_gets_a_block_too():
    [home] = tomllib.loads("\n".join(toml_of(found(locations=[]))))["home"]
    assert "location_id" not in home
    assert home["charger_ids"] == ["c-1", "c-2"]
