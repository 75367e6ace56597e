import pytest
from hypothesis import given
from hypothesis import strategies as st

from angen.errors import TimelineError
from angen.timeline import History, Project


def named(name: str) -> Project:
    return Project(name=name)


@given(st.lists(st.sampled_from(["edit", "edit", "undo", "redo"]), max_size=60), st.integers(1, 6))
def test_undo_and_redo_follow_two_stacks(steps, limit):
    history = History.of(named("0"), limit=limit)
    past, now, future = [], named("0"), []
    for number, step in enumerate(steps, 1):
        if step == "edit":
            past, future = [*past, now][-limit:], []
            now = named(str(number))
            history = history.done(now, "rename")
        elif step == "undo":
            if not past:
                assert not history.can_undo
                with pytest.raises(TimelineError, match="nothing to undo"):
                    history.undone()
                continue
            future.append(now)
            now = past.pop()
            history = history.undone()
        else:
            if not future:
                assert not history.can_redo
                with pytest.raises(TimelineError, match="nothing to redo"):
                    history.redone()
                continue
            past.append(now)
            now = future.pop()
            history = history.redone()
        assert history.project == now
        assert len(history.steps) <= limit + 1


def test_undo_then_redo_is_the_identity():
    history = History.of(named("a")).done(named("b"), "x").done(named("c"), "y")
    assert history.undone().redone() == history
    assert history.undone().undone().redone().redone() == history


def test_an_edit_that_changes_nothing_is_no_step():
    history = History.of(named("a"))
    assert history.done(named("a"), "x") is history
