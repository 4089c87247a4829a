"""Pictures as points, and the U-Net that moves them."""

import dataclasses

import numpy as np
import pytest
import torch

from cfm.errors import UserError
from cfm.nets.pictures import PictureField
from cfm.nets.unet import UNet, time_features
from cfm.pictures import from_bytes, mirrored, picture_shape, sheet, to_bytes
from cfm.settings import Training, UNetSettings

SMALL = UNetSettings(multipliers=(1, 2), attention=(4,), head_channels=8)


def _awake(net: torch.nn.Module) -> None:
    """Parameters that start at zero, and hide what comes before them, drawn at random."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.copy_(0.1 * torch.randn(parameter.shape, generator=generator))


def _settings(unet: UNetSettings, width: int = 8) -> Training:
    return Training(width, 1, 4, 1, 1e-3, 0.0, 1, unet=unet)


def test_the_papers_network_has_the_published_number_of_parameters() -> None:
    net = UNet((3, 32, 32), 128, 2, UNetSettings((1, 2, 2, 2), (16,), 64, 0.1))
    assert sum(parameter.numel() for parameter in net.parameters()) == 35_746_307


@pytest.mark.parametrize(("shape", "patch"), [((1, 8, 8), 1), ((1, 28, 28), 2), ((3, 16, 16), 1)])
def test_velocities_have_the_shape_of_pictures_and_start_at_zero(shape: tuple[int, int, int], patch: int) -> None:
    net = UNet(shape, 8, 1, UNetSettings((1, 2), (4,), 8, patch=patch))
    found = net(torch.rand(3), torch.randn(3, *shape))
    assert found.shape == (3, *shape)
    assert torch.equal(found, torch.zeros(3, *shape))


@pytest.mark.parametrize("width", [8, 16, 32])
def test_the_network_hears_time_and_class_at_every_width(width: int) -> None:
    """Groups of a single channel would take away what the embedding adds: such a network is deaf, and still learns."""
    net = UNet((1, 8, 8), width, 1, SMALL, classes=3)
    _awake(net)
    x = torch.randn(1, 1, 8, 8).expand(2, -1, -1, -1)
    same, other = torch.tensor([0.3, 0.3]), torch.tensor([0.3, 0.9])
    labels, others = torch.tensor([1, 1]), torch.tensor([1, 2])
    by_time, by_class = net(other, x, labels), net(same, x, others)
    assert (by_time[0] - by_time[1]).abs().max() > 1e-3 * by_time.abs().max()
    assert (by_class[0] - by_class[1]).abs().max() > 1e-3 * by_class.abs().max()


@pytest.mark.parametrize(
    ("side", "width", "settings", "reason"),
    [
        (12, 8, UNetSettings((1, 2, 2, 2), (), 8), "side 12 cannot be cut into patches of 1 and halved 3 times"),
        (8, 8, UNetSettings((1,), (), 8, patch=3), "side 8 cannot be cut into patches of 3 and halved 0 times"),
        (8, 6, UNetSettings((1,), (), 8), "width 6: a multiple of 4"),
        (8, 20, UNetSettings((1,), (), 6), "20 channels make no 3 equal heads of about 6"),
    ],
)
def test_settings_that_make_no_network_are_refused_with_a_line(
    side: int, width: int, settings: UNetSettings, reason: str
) -> None:
    with pytest.raises(UserError, match=reason):
        UNet((1, side, side), width, 1, settings)


def test_attention_reaches_every_pixel() -> None:
    """A change of one corner moves the far one, out of reach of the convolutions of a shallow network."""
    net = UNet((1, 32, 32), 8, 1, UNetSettings((1,), (32,), 8))
    _awake(net)
    x = torch.zeros(1, 1, 32, 32, requires_grad=True)
    net(torch.rand(1), x)[0, 0, 31, 31].backward()
    assert x.grad is not None and x.grad[0, 0, 0, 0] != 0


def test_time_features_are_cosines_and_sines() -> None:
    found = time_features(torch.tensor([0.5]), 4)
    expected = [np.cos(0.5), np.cos(0.005), np.sin(0.5), np.sin(0.005)]
    np.testing.assert_allclose(found[0].numpy(), expected, rtol=1e-6)


def test_a_stack_of_fields_is_its_networks_one_by_one() -> None:
    stack, alone = PictureField(2, 64, _settings(SMALL), classes=3), PictureField(1, 64, _settings(SMALL), classes=3)
    stack.initialise([5, 6])
    alone.initialise([6])
    assert torch.equal(stack.theta[1], alone.theta[0])
    _awake(stack)
    with torch.no_grad():
        alone.theta.copy_(stack.theta[1:])
    t, x, label = torch.rand(2, 7, 1), torch.randn(2, 7, 64), torch.tensor([0, 1, 2, 0, 1, 2, 0.0]).expand(2, -1)
    both, one = stack(t, x, label[..., None]), alone(t[1:], x[1:], label[1:, :, None])
    assert both.abs().max() > 0
    assert torch.equal(both[1], one[0])


def test_the_fast_way_rounds_in_training_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the compiler, which takes minutes: bfloat16 has three digits, and sampling keeps all seven."""
    monkeypatch.setattr(torch, "compile", lambda function: function)
    plain = PictureField(1, 64, _settings(SMALL), classes=3)
    _awake(plain)
    fast = PictureField(1, 64, _settings(dataclasses.replace(SMALL, fast=True)), classes=3)
    with torch.no_grad():
        fast.theta.copy_(plain.theta)
    inputs = torch.rand(1, 4, 1), torch.randn(1, 4, 64), torch.tensor([[[0.0], [1], [2], [0]]])
    exact, rounded = plain(*inputs), fast(*inputs)
    difference = (rounded - exact).abs().max() / exact.abs().max()
    assert rounded.dtype == torch.float32 and 1e-5 < difference < 0.05
    rounded.square().mean().backward()
    exact.square().mean().backward()
    assert fast.theta.grad is not None and plain.theta.grad is not None
    assert torch.nn.functional.cosine_similarity(fast.theta.grad, plain.theta.grad)[0] > 0.99
    torch.testing.assert_close(fast.eval()(*inputs), exact)


def test_dropout_is_for_training_only() -> None:
    field = PictureField(1, 64, _settings(UNetSettings((1, 2), (4,), 8, dropout=0.5)))
    field.initialise([1])
    _awake(field)
    t, x = torch.rand(1, 4, 1), torch.randn(1, 4, 64)
    assert not torch.equal(field(t, x), field(t, x))
    field.eval()
    assert torch.equal(field(t, x), field(t, x))


@pytest.mark.parametrize(("dim", "shape"), [(64, (1, 8, 8)), (784, (1, 28, 28)), (3072, (3, 32, 32)), (50, None)])
def test_square_pictures_are_known_by_their_size(dim: int, shape: tuple[int, int, int] | None) -> None:
    assert picture_shape(dim) == shape


def test_bytes_survive_the_way_to_points_and_back() -> None:
    pictures = np.arange(256, dtype=np.uint8).reshape(4, 1, 8, 8)
    points = from_bytes(pictures)
    assert points.dtype == np.float32 and points.min() == -1 and points.max() == 1
    np.testing.assert_array_equal(to_bytes(points), pictures)
    np.testing.assert_array_equal(to_bytes(np.full((1, 64), 7.0, dtype=np.float32)), 255)


def test_mirrored_pictures_are_turned_from_left_to_right_only() -> None:
    pictures = np.arange(2 * 3 * 16, dtype=np.float32).reshape(2, 3, 4, 4)
    flipped = mirrored(pictures.reshape(2, -1), np.array([True, False])).reshape(pictures.shape)
    np.testing.assert_array_equal(flipped[0], pictures[0, :, :, ::-1])
    np.testing.assert_array_equal(flipped[1], pictures[1])


def test_a_sheet_has_its_pictures_in_rows() -> None:
    pictures = np.repeat(np.array([0, 50, 100], dtype=np.uint8), 4).reshape(3, 1, 2, 2)
    found = sheet(from_bytes(pictures), columns=2)
    assert found.shape == (6, 6)
    assert (found[0, 0], found[0, 3], found[3, 0], found[3, 3]) == (0, 50, 100, 255)


def test_the_bench_times_every_way(monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmarks.pictures import WAYS, coupling_seconds, picture_rates

    compiled = []
    monkeypatch.setattr(torch, "compile", lambda function: compiled.append(function) or function)
    settings = dataclasses.replace(_settings(SMALL), steps=10**9, validate_every=10**9)
    rates = picture_rates(settings, 64, "cpu", 0.1, warm_up=1)
    assert [*rates] == [*WAYS] and min(rates.values()) > 0
    assert len(compiled) == 2  # of the two fast ways, one of which then goes without
    assert 0 < coupling_seconds(16, 64, 0.1) < 1
