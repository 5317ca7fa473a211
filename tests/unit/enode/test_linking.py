"""Linking sessions."""

import pytest

from scheduler.core.observation import Capabilities
from scheduler.enode.linking import ChargerAdvice, LinkRequest, charger_advice


@pytest.mark.parametrize("uri", ["", "about:blank", "https://home.example/" + "x" * 500])
def test_a_return_address_that_enode_refuses_is_refused_here(uri):
    with pytest.raises(ValueError, match="address to return to"):
        LinkRequest(redirect_uri=uri)


def test_linking_again_asks_for_no_scopes():
    request = LinkRequest(redirect_uri="https://home.example/back", vendor="TESLA", color_scheme="dark")
    assert request.body() == {
        "language": "browser",
        "redirectUri": "https://home.example/back",
        "colorScheme": "dark",
    }


@pytest.mark.parametrize(
    ("own", "advice"),
    [
        (Capabilities(start=True, stop=True, locate=True), ChargerAdvice.RECOMMENDED),
        (Capabilities(start=True, stop=False, locate=True), ChargerAdvice.MANDATORY),
        (Capabilities(start=True, stop=True, locate=None), ChargerAdvice.MANDATORY),
        (Capabilities(), ChargerAdvice.MANDATORY),
    ],
)
def test_a_vehicle_that_cannot_do_it_alone_needs_its_charger(own, advice):
    assert charger_advice(own) is advice
