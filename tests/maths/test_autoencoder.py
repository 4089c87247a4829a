"""The VAE: its objective against the formula, that it learns, that the seed decides, that decoding undoes encoding."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.distributions import Normal, kl_divergence

from cfm.errors import RunFailed
from cfm.nets.autoencoder import Autoencoder, decode, encode, train
from cfm.nets.vae import VAE

CPU = torch.device("cpu")
SETTINGS = Autoencoder(latent=6, width=4, beta=0.02, epochs=20, batch_size=16, learning_rate=0.005)


def _blobs(n: int, side: int = 16, channels: int = 1) -> np.ndarray:
    """Pictures that differ in two numbers: bright discs at places of their own."""
    places = np.random.default_rng(0).uniform(0.3, 0.7, (n, 2, 1, 1))
    grid = (np.arange(side) + 0.5) / side
    squares = (grid[:, None] - places[:, 0]) ** 2 + (grid - places[:, 1]) ** 2
    return np.repeat((255 * np.exp(-squares / 0.03)).astype(np.uint8)[:, None], channels, axis=1)


def _train(pictures: np.ndarray, seed: int = 1, state: Path | None = None, **changes: Any) -> VAE:
    with tempfile.TemporaryDirectory() as folder:
        path = state or Path(folder) / "state.safetensors"
        return train(Autoencoder(**{**vars(SETTINGS), **changes}), pictures, seed, CPU, path)


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    return _blobs(400)


@pytest.fixture(scope="module")
def net(pictures: np.ndarray) -> VAE:
    return _train(pictures)


@pytest.mark.parametrize(("side", "channels"), [(8, 1), (24, 3), (64, 1)])
def test_shapes(side: int, channels: int) -> None:
    net = VAE(side, channels, 5, 2)
    net.initialise(0)
    x = torch.rand(3, channels, side, side)
    mean, log_variance = net.moments(x)
    assert mean.shape == log_variance.shape == (3, 5) and not torch.equal(mean, log_variance)
    assert net.decoder(mean).shape == x.shape
    known = encode(net, _blobs(9, side, channels), np.arange(9))
    assert decode(known, known["codes"]).shape == (9, channels, side, side)


def test_the_objective_is_the_squared_error_and_the_divergence() -> None:
    net = VAE(8, 1, 3, 2)
    net.initialise(0)
    x, noise = torch.rand(4, 1, 8, 8), torch.randn(4, 3)
    mean, log_variance = net.moments(x)
    codes = Normal(mean, (log_variance / 2).exp())
    error = ((net.decoder(mean + codes.scale * noise) - x) ** 2).sum(dim=(1, 2, 3))
    divergence = kl_divergence(codes, Normal(0.0, 1.0)).sum(dim=1)
    assert divergence.min() > 1e-4
    for beta in (0.0, 0.7):
        torch.testing.assert_close(net.loss(x, noise, beta), error + beta * divergence)


def test_units_start_with_the_variance_of_their_inputs() -> None:
    """Every layer of the encoder and decoder passes white noise on with about the same variance."""
    net = VAE(32, 3, 64, 16)
    net.initialise(0)
    for layer in (*net.encoder, *net.decoder):
        if isinstance(layer, torch.nn.Linear):
            x = torch.randn(500, layer.in_features)
        elif isinstance(layer, torch.nn.Conv2d | torch.nn.ConvTranspose2d):
            x = torch.randn(30, layer.in_channels, 16, 16)
        else:
            continue
        assert layer(x)[..., 1:-1].var().item() == pytest.approx(1, abs=0.25)


def test_it_learns(net: VAE, pictures: np.ndarray) -> None:
    """Pictures it has not seen are decoded with a fraction of the error of the mean picture."""
    new = _blobs(500)[400:]
    known = encode(net, np.concatenate([pictures, new]), np.arange(400))
    error = ((decode(known, known["codes"][400:]) - new / 255) ** 2).mean()
    assert error < 0.3 * ((new / 255 - pictures.mean(axis=0) / 255) ** 2).mean()


def test_the_seed_decides_and_nothing_else_is_drawn_from() -> None:
    few, state = _blobs(40), torch.get_rng_state()
    one, two, other = (_train(few, seed, epochs=1).state_dict() for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert not any(torch.equal(one[name], other[name]) for name in one if name.endswith("weight"))


def test_a_killed_training_goes_on_to_the_same_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few, state, losses = _blobs(40), tmp_path / "state.safetensors", []
    undisturbed = _train(few, epochs=4).state_dict()
    real = VAE.loss

    def killed(net: VAE, x: torch.Tensor, noise: torch.Tensor, beta: float) -> torch.Tensor:
        if len(losses) == 5:  # in the third epoch of two batches
            raise KeyboardInterrupt
        losses.append(real(net, x, noise, beta))
        return losses[-1]

    monkeypatch.setattr(VAE, "loss", killed)
    with pytest.raises(KeyboardInterrupt):
        _train(few, state=state, epochs=4)
    calls: list[int] = []
    monkeypatch.setattr(VAE, "loss", lambda net, *batch: calls.append(0) or real(net, *batch))
    resumed = _train(few, state=state, epochs=4).state_dict()
    assert len(calls) == 4  # not from the start
    assert all(torch.equal(resumed[name], undisturbed[name]) for name in undisturbed)


def test_beta_holds_the_codes_at_the_prior(net: VAE, pictures: np.ndarray) -> None:
    x = torch.from_numpy(pictures[:100]).float() / 255
    free, _ = net.moments(x)
    held, log_variance = _train(pictures, beta=100.0).moments(x)
    assert held.square().mean() < 0.05 < free.square().mean() and abs(log_variance.mean().item()) < 0.2


def test_codes_have_a_mean_of_0_and_a_mean_variance_of_1_and_keep_their_proportions(
    net: VAE, pictures: np.ndarray
) -> None:
    fitted = np.arange(50, 350)
    known = encode(net, pictures, fitted)
    codes = known["codes"]
    assert codes.dtype == np.float32 and codes.shape == (400, 6)
    assert codes[fitted].mean(axis=0) == pytest.approx(np.zeros(6), abs=1e-5)
    variances = codes[fitted].var(axis=0)
    assert variances.mean() == pytest.approx(1, abs=1e-5) and variances.max() > 1.05 * variances.min()
    with torch.no_grad():
        means = net.moments(torch.from_numpy(pictures).float() / 255)[0]
        decoded = net.decoder(means).numpy()
    distances = [np.linalg.norm(z[1:] - z[0], axis=1) for z in (codes, means.numpy())]
    ratio = distances[0] / distances[1]
    assert ratio == pytest.approx(np.full(399, ratio[0]), rel=1e-3)
    assert decode(known, codes) == pytest.approx(decoded, abs=1e-4)


def test_a_loss_that_is_not_finite_fails(pictures: np.ndarray) -> None:
    with pytest.raises(RunFailed, match="the loss of the autoencoder is not finite in epoch 1"):
        _train(pictures, learning_rate=1e20)
