"""TensorBoard's files are read in the order they were written, however quickly runs follow one another."""

from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from angen.training.board import open_board


def test_a_run_that_goes_on_a_dozen_times_at_once_has_one_curve(tmp_path: Path) -> None:
    for step in range(1, 13):
        with open_board(tmp_path, step - 1, is_writer=True) as board:
            board.add_scalar("train/loss", 1 / step, step)
    scalars = EventAccumulator(str(tmp_path / "tensorboard")).Reload().Scalars("train/loss")
    assert [event.step for event in scalars] == list(range(1, 13))


def test_one_that_does_not_write_leaves_nothing(tmp_path: Path) -> None:
    with open_board(tmp_path, 0, is_writer=False) as board:
        board.add_scalar("train/loss", 1.0, 1)
        board.flush()
    assert not list(tmp_path.iterdir())
