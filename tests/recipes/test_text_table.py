import torch
from recipes.angen_tiny.text_table import as_bytes


def test_a_table_of_bytes_is_right_to_half_a_step_of_each_row():
    generator = torch.Generator().manual_seed(0)
    table = torch.randn(50, 256, generator=generator) * torch.logspace(-2, 1, 50)[:, None]
    stored = as_bytes(table)
    assert stored["table"].dtype == torch.int8
    largest = table.abs().amax(1, keepdim=True)
    assert (
        float(((stored["table"] * stored["scale"].float() - table).abs() / largest).max()) < 0.5 / 127 + 1e-3
    )


def test_a_row_of_zeros_stays_one():
    stored = as_bytes(torch.zeros(2, 256))
    assert not stored["table"].any()
    assert torch.isfinite(stored["scale"]).all()
