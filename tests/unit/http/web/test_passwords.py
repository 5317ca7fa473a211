import pytest

from scheduler.http.web.passwords import CODE_TRIES, Passwords, WeakPassword
from scheduler.http.web.sessions import LASTS, Sessions
from tests.fakes_daemon import FakeStore
from tests.web_site import QUICK


@pytest.fixture
def passwords():
    return Passwords(FakeStore(), QUICK)


async def test_only_the_password_fits(passwords):
    assert not await passwords.known()
    assert not await passwords.fits("")
    await passwords.put("correct horse")
    assert await passwords.known()
    assert await passwords.fits("correct horse")
    for wrong in ("", "Correct horse", "correct horse ", "correct", "x" * 5000):
        assert not await passwords.fits(wrong)


async def test_letters_fit_however_a_keyboard_composes_them(passwords):
    await passwords.put("smörgåsbord")
    assert await passwords.fits("smo\u0308rga\u030asbord")


async def test_a_hash_of_other_strength_is_renewed_when_it_fits(passwords):
    await Passwords(passwords._store, type(QUICK)(time_cost=2, memory_cost=16, parallelism=1)).put("correct horse")
    before = await passwords._store.kept("password", "owner")
    assert await passwords.fits("correct horse")
    assert await passwords._store.kept("password", "owner") != before
    assert await passwords.fits("correct horse")


async def test_what_is_kept_and_damaged_lets_nobody_in(passwords):
    await passwords._store.keep("password", "owner", b"no hash at all")
    assert not await passwords.fits("no hash at all")


@pytest.mark.parametrize("weak", ["", "123456789", "x" * 1025])
async def test_a_weak_password_is_refused_and_the_one_before_holds(passwords, weak):
    await passwords.put("correct horse")
    with pytest.raises(WeakPassword):
        await passwords.put(weak)
    assert await passwords.fits("correct horse")


def test_a_code_works_once_in_any_writing(passwords):
    assert not passwords.spend_code("")
    code = passwords.new_code()
    assert len(code.replace("-", "")) == 12
    assert passwords.spend_code(code.lower().replace("-", " "))
    assert not passwords.spend_code(code)


def test_a_new_code_takes_the_place_of_the_old_one(passwords):
    old, new = passwords.new_code(), passwords.new_code()
    assert not passwords.spend_code(old)
    assert passwords.spend_code(new)


def test_a_code_dies_of_wrong_ones(passwords):
    code = passwords.new_code()
    for _ in range(CODE_TRIES):
        assert not passwords.spend_code("AAAA-AAAA-AAAA")
    assert not passwords.spend_code(code)


async def test_a_session_is_found_by_its_cookie_until_it_ends():
    store = FakeStore()
    sessions = Sessions(store, store.clock)
    session_id, session = await sessions.begin()
    assert await sessions.of(session_id) == session
    assert await sessions.of("\udcff") is None
    assert await sessions.of(session.key) is None  # what the store holds opens nothing
    assert await sessions.lives(session)
    await sessions.end(session)
    assert await sessions.of(session_id) is None
    assert not await sessions.lives(session)


async def test_a_session_ends_by_age_even_where_the_store_keeps_it():
    store = FakeStore()
    sessions = Sessions(store, store.clock)
    session_id, session = await sessions.begin()
    store.small = {key: (value, None) for key, (value, _) in store.small.items()}
    store.clock.at += LASTS
    assert await sessions.of(session_id) is None
    assert not await sessions.lives(session)


async def test_all_sessions_end_at_once():
    store = FakeStore()
    sessions = Sessions(store, store.clock)
    ids = [(await sessions.begin())[0] for _ in range(3)]
    assert await sessions.end_all() == 3
    assert [await sessions.of(one) for one in ids] == [None] * 3
