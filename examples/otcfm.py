"""OT-CFM from a standard normal source to eight Gaussians, whole: plain PyTorch and POT (Tong et al., TMLR 2024).

The points of two batches are paired by the plan pi of minibatch optimal transport, and a network learns the
velocity of the straight lines between them; samples then follow it from t = 0 to 1:

    pi = argmin_P sum_ij P_ij |x0_i - x1_j|^2,     (x0, x1) ~ pi,   t ~ U(0, 1),   eps ~ N(0, I)
    xt = (1 - t) x0 + t x1 + sigma eps,            ut = x1 - x0
    L(theta) = E |v_theta(t, xt) - ut|^2,          dx/dt = v_theta(t, x)
"""

import math

import ot
import torch
from torch import nn


def squared_distances(a, b):
    return torch.cdist(a.double(), b.double()).square().numpy()


def step(net, optimiser, x0, x1, t, eps, sigma):
    x1 = x1[ot.emd([], [], squared_distances(x0, x1)).argmax(axis=1)]  # equal weights: the plan is a permutation
    xt = (1 - t) * x0 + t * x1 + sigma * eps
    loss = (net(torch.cat([xt, t], dim=1)) - (x1 - x0)).square().mean()
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return loss.item()


@torch.no_grad()
def sample(net, x, steps=100):
    for k in range(steps):
        t = torch.full((len(x), 1), k / steps)
        x = x + net(torch.cat([x, t], dim=1)) / steps
    return x


def eight_gaussians(n):
    angle = torch.randint(8, (n, 1)) * math.pi / 4
    return 5 * torch.cat([angle.cos(), angle.sin()], dim=1) + torch.randn(n, 2)


def main(steps=3000, n=256):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 64), nn.SELU(), nn.Linear(64, 64), nn.SELU(), nn.Linear(64, 2))
    optimiser = torch.optim.AdamW(net.parameters(), lr=1e-3, weight_decay=1e-5)
    for k in range(1, steps + 1):
        loss = step(net, optimiser, torch.randn(n, 2), eight_gaussians(n), torch.rand(n, 1), torch.randn(n, 2), 0.1)
        if k % (steps // 10) == 0:
            print(f"step {k}: loss {loss:.3f}")
    x0, x1 = torch.randn(1000, 2), eight_gaussians(1000)
    before, after = (math.sqrt(ot.emd2([], [], squared_distances(x, x1))) for x in (x0, sample(net, x0)))
    print(f"W2 to the target: {before:.3f} of the source, {after:.3f} of the samples")


if __name__ == "__main__":
    main()
