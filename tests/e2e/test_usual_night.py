"""The usual night without any fault: what all the faults are measured against."""

from datetime import timedelta

import pytest

from scheduler.core.command import Action
from scheduler.http.web.series import BACK, charged
from tests.e2e.stage import HOUR, Stage, perform, verified


def test_a_night_without_faults_takes_one_pause_and_one_start():
    async def story(stage: Stage) -> None:
        await stage.night()
        commands = await stage.commands()
        assert [c.action for c in commands] == [Action.STOP, Action.START, Action.STOP]
        assert verified(commands)
        assert 78 <= stage.car.true_soc_pct() <= 83

    perform(story)


def test_what_was_charged_in_the_night_is_known_after_the_car_has_left():
    async def story(stage: Stage) -> None:
        await stage.night()
        open_session = stage.state().session
        assert open_session is not None
        stage.car.unplug()
        await stage.wait(hours=1)
        assert stage.state().session is None
        since = stage.now() - BACK
        past = await stage.app.store.sessions(vehicle_id=stage.car.id, since=since)
        flows = charged(None, past, since=since)
        energy_kwh = sum(flow.kw * ((flow.end - flow.start) / HOUR) for flow in flows)
        assert energy_kwh == pytest.approx(open_session.energy_kwh, abs=0.1)
        assert energy_kwh > 20
        cheap = (stage.next("00:50") - timedelta(days=1), stage.next("04:10") - timedelta(days=1))
        assert [flow for flow in flows if flow.start < cheap[0] and flow.end - flow.start > HOUR / 2] == []
        assert max(flow.end for flow in flows) <= cheap[1]

    perform(story)
