"""The usual night without any fault: what all the faults are measured against."""

from scheduler.core.command import Action
from tests.e2e.stage import Stage, perform, verified


def test_a_night_without_faults_takes_one_pause_and_one_start():
    async def story(stage: Stage) -> None:
        await stage.night()
        commands = await stage.commands()
        assert [c.action for c in commands] == [Action.STOP, Action.START, Action.STOP]
        assert verified(commands)
        assert 78 <= stage.car.true_soc_pct() <= 83

    perform(story)
