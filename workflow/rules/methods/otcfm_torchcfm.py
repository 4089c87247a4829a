"""OT-CFM with the authors' package: pairs and targets by torchcfm, network, training and solvers written here.

    python otcfm_torchcfm.py JOB.json

Nothing of cfm/ is used, so that its row is an independent check of ours. What is the same are the data, the settings
of config/ and the protocol: SELU network, AdamW, the network with the least validation loss is sampled.
"""

import copy
import json
import sys
import time

import numpy as np
import torch
from torchcfm import ExactOptimalTransportConditionalFlowMatcher

# Of a 4(5) pair by Dormand and Prince; what follows are its nodes, its stages and its two results.
NODES = (0, 1 / 5, 3 / 10, 4 / 5, 8 / 9, 1, 1)
STAGES = (
    (),
    (1 / 5,),
    (3 / 40, 9 / 40),
    (44 / 45, -56 / 15, 32 / 9),
    (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729),
    (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656),
    (35 / 384, 0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84),
)
FIFTH = (35 / 384, 0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84, 0)
FOURTH = (5179 / 57600, 0, 7571 / 16695, 393 / 640, -92097 / 339200, 187 / 2100, 1 / 40)


def network(dim, width, depth):
    layers, inside = [], dim + 1
    for _ in range(depth):
        layers += [torch.nn.Linear(inside, width), torch.nn.SELU()]
        inside = width
    return torch.nn.Sequential(*layers, torch.nn.Linear(inside, dim))


def velocity(net, t, x):
    time_column = torch.as_tensor(t, dtype=x.dtype).expand(len(x)).reshape(-1, 1)
    return net(torch.cat([x, time_column], dim=1))


class Deck:
    """Batches of rows; every row once per pass, then shuffled again."""

    def __init__(self, points):
        self.points, self.order, self.place = points, torch.randperm(len(points)), 0

    def draw(self, count):
        if self.place + count > len(self.order):
            self.order, self.place = torch.randperm(len(self.points)), 0
        rows = self.order[self.place : self.place + count]
        self.place += count
        return self.points[rows]


def loss_on(matcher, net, x0, x1):
    t, xt, ut = matcher.sample_location_and_conditional_flow(x0, x1)
    return (velocity(net, t, xt) - ut).square().mean()


def train(data, sigma, settings):
    """The network with the least validation loss; None in its place if the loss is not finite."""
    target, held_out = torch.from_numpy(data["train_1"]), torch.from_numpy(data["val_1"])
    targets = Deck(target)
    sources = Deck(torch.from_numpy(data["train_0"])) if "train_0" in data else None
    held_out_source = torch.from_numpy(data["val_0"]) if "val_0" in data else torch.randn_like(held_out)
    size = min(settings["batch_size"], len(target))
    matcher = ExactOptimalTransportConditionalFlowMatcher(sigma=sigma)
    net = network(target.shape[1], settings["width"], settings["depth"])
    optimiser = torch.optim.AdamW(
        net.parameters(),
        lr=settings["learning_rate"],
        betas=tuple(settings["betas"]),
        weight_decay=settings["weight_decay"],
    )
    best, best_loss = copy.deepcopy(net.state_dict()), float("inf")
    for step in range(1, settings["steps"] + 1):
        x1 = targets.draw(size)
        x0 = torch.randn_like(x1) if sources is None else sources.draw(size)
        loss = loss_on(matcher, net, x0, x1)
        if not torch.isfinite(loss):
            return None
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if step % settings["validate_every"] == 0 or step == settings["steps"]:
            with torch.no_grad():
                held = float(loss_on(matcher, net, held_out_source[: len(held_out)], held_out[: len(held_out_source)]))
            if held < best_loss:
                best, best_loss = copy.deepcopy(net.state_dict()), held
            print(f"step {step} of {settings['steps']}, validation loss {held:.4g}", flush=True)
    if settings["checkpoint"] == "best":
        net.load_state_dict(best)
    return net.eval()


def euler(field, t, x, dt):
    return x + dt * field(t, x), 1


def midpoint(field, t, x, dt):
    return x + dt * field(t + dt / 2, x + dt / 2 * field(t, x)), 2


def rk4(field, t, x, dt):
    k1 = field(t, x)
    k2 = field(t + dt / 2, x + dt / 2 * k1)
    k3 = field(t + dt / 2, x + dt / 2 * k2)
    k4 = field(t + dt, x + dt * k3)
    return x + dt / 6 * (k1 + 2 * k2 + 2 * k3 + k4), 4


def fixed(field, x, step, steps):
    """Equal steps from 0 to 1: times, points at them, evaluations."""
    path, nfe = [x], 0
    for k in range(steps):
        x, evaluations = step(field, k / steps, x, 1 / steps)
        path.append(x)
        nfe += evaluations
    return np.linspace(0, 1, steps + 1), torch.stack(path), nfe


def adaptive(field, x, tolerance):
    """Dormand and Prince with one step size for all points: times, points at them, evaluations."""
    t, dt, times, path, nfe = 0.0, 0.01, [0.0], [x], 0
    while t < 1:
        dt = min(dt, 1 - t)
        slopes = []
        for node, row in zip(NODES, STAGES, strict=True):
            y = x + dt * sum((a * k for a, k in zip(row, slopes, strict=True)), torch.zeros_like(x))
            slopes.append(field(t + node * dt, y))
        nfe += len(NODES)
        y = x + dt * sum(a * k for a, k in zip(FIFTH, slopes, strict=True))
        wrong = dt * sum((a - b) * k for a, b, k in zip(FIFTH, FOURTH, slopes, strict=True))
        allowed = tolerance + tolerance * torch.maximum(x.abs(), y.abs())
        error = float((wrong / allowed).square().mean().sqrt())
        if not np.isfinite(error) or dt < 1e-6:
            raise SystemExit("the adaptive solver does not get on")
        if error <= 1:
            t = 1.0 if t + dt >= 1 - 1e-9 else t + dt
            x = y
            times.append(t)
            path.append(x)
        dt *= min(5.0, max(0.2, 0.9 * max(error, 1e-10) ** -0.2))
    return np.array(times), torch.stack(path), nfe


SCHEMES = {"euler": euler, "midpoint": midpoint, "rk4": rk4}


def sample(net, x0, solver):
    """The arrays of a samples file; the path energy is that of all steps, of which few are kept."""
    began = time.perf_counter()
    with torch.no_grad():
        if solver["scheme"] == "dopri5":
            t, x, nfe = adaptive(lambda t, x: velocity(net, t, x), x0, solver["tolerance"])
        else:
            t, x, nfe = fixed(lambda t, x: velocity(net, t, x), x0, SCHEMES[solver["scheme"]], solver["steps"])
    seconds, path = time.perf_counter() - began, x.numpy()
    squares = (np.diff(path.astype(np.float64), axis=0) ** 2).sum(axis=2)
    energy = (squares / np.diff(t)[:, None]).sum(axis=0)
    kept = np.unique(np.linspace(0, len(t) - 1, min(len(t), 26)).round().astype(int))
    return {
        "x0": path[0],
        "trajectory": path[kept],
        "t": t[kept].astype(np.float32),
        "energy": energy.astype(np.float32),
        "nfe": nfe,
        "seconds": seconds,
    }


def main(job):
    torch.set_num_threads(1)
    data = dict(np.load(job["data"]))
    for run in job["runs"]:
        torch.manual_seed(run["seed"])
        np.random.seed(run["seed"])  # torchcfm draws its pairs from numpy's global generator
        print(f"seed {run['seed']}", flush=True)
        began = time.perf_counter()
        net = train(data, job["parameters"]["sigma"], job["train"])
        seconds = time.perf_counter() - began
        start = torch.from_numpy(np.load(run["start"])["x0"])
        for name, solver in job["solvers"].items():
            if net is None:
                np.savez(run["samples"][name], failure="the loss is not finite")
                continue
            arrays = sample(net, start[: solver["points"]], solver)
            np.savez(run["samples"][name], **arrays, train_seconds=seconds)


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as file:
        main(json.load(file))
