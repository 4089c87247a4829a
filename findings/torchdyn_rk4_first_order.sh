#!/usr/bin/env bash
# torchdyn's solver "rk4" is of first order for an ODE whose field depends on time.
#
# Expected: odeint(f, x, t_span, "rk4") is the classical Runge-Kutta scheme, of order four.
#
# What happens (torchdyn 1.0.6, RungeKutta4.step in torchdyn/numerics/solvers/ode.py): construct_rk4 in
# solvers/_constants.py lists the four nodes 0, 1/2, 1/2, 1, the first of them for stage one. step() takes
# stage one at t without the list and starts the list at stage two. So the stages are evaluated at
# t, t, t + dt/2, t + dt/2 in place of t, t + dt/2, t + dt/2, t + dt: stages two and four are half a step
# too early, and t + dt is never used. The states and weights are right. A field without time has order four.
#
# Below, dx/dt = x cos(t), x(0) = 1, from t = 0 to 2 (solution: exp(sin t)) is solved in double precision as
# it stands and then as an autonomous ODE, with the time as a second component of the state (ds/dt = 1).
# The slope is that of log(error at t = 2) over log(dt): 1.01 as it stands, 4.02 as an autonomous ODE. Here
# rk4 is even worse than Euler's scheme with as many steps, which takes a quarter of the evaluations.
#
# Seen on 2026-11-29:
#   torchdyn 1.0.6, torch 2.13.0+cpu, numpy 2.4.6
#   rk4, one step from t = 0 to 1: stages at t = 0.0 0.0 0.5 0.5
#   steps                  10       20       40       80      160    slope
#   rk4, x cos(t)     1.8e-01  8.9e-02  4.4e-02  2.2e-02  1.1e-02     1.01
#   rk4, autonomous   1.7e-05  1.1e-06  6.5e-08  4.0e-09  2.5e-10     4.02
#   Euler, x cos(t)   1.5e-01  7.5e-02  3.7e-02  1.9e-02  9.4e-03     1.00
#
# Instead: carry the time in the state as below, or pass odeint an own subclass of
# torchdyn.numerics.solvers.templates.DiffEqSolver whose step() uses the right times.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
# torchdyn itself goes without its dependencies (pytorch-lightning and more): its solvers need only these.
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6 scipy==1.17.1 \
    attrs==26.1.0 torchcde==0.2.5 torchdiffeq==0.2.5 torchsde==0.2.6 trampoline==0.1.2
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps torchdyn==1.0.6
"$folder/venv/bin/python" - <<'EOF'
import math
import sys

import numpy as np
import torch
import torchdyn
from torchdyn.numerics import odeint

torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)
print(f"torchdyn {torchdyn.__version__}, torch {torch.__version__}, numpy {np.__version__}")
times = []

def with_time(t, x, args=None):
    times.append(float(t))
    return x * torch.cos(t)

def autonomous(t, state, args=None):
    x, s = state
    return torch.stack([x * torch.cos(s), torch.ones_like(s)])

odeint(with_time, torch.tensor([1.0]), torch.tensor([0.0, 1.0]), "rk4")
print("rk4, one step from t = 0 to 1: stages at t =", *times)
steps = [10, 20, 40, 80, 160]
cases = {"rk4, x cos(t)": (with_time, [1.0], "rk4"), "rk4, autonomous": (autonomous, [1.0, 0.0], "rk4"),
         "Euler, x cos(t)": (with_time, [1.0], "euler")}
print("steps".ljust(16), *(f"{n:8d}" for n in steps), "   slope")
slope = {}
for name, (field, start, solver) in cases.items():
    ends = [odeint(field, torch.tensor(start), torch.linspace(0, 2, n + 1), solver)[1][-1, 0] for n in steps]
    errors = [abs(float(end) - math.exp(math.sin(2))) for end in ends]
    slope[name] = np.polyfit(np.log([2 / n for n in steps]), np.log(errors), 1)[0]
    print(name.ljust(16), *(f"{e:8.1e}" for e in errors), f"{slope[name]:8.2f}")
first, fourth = abs(slope["rk4, x cos(t)"] - 1) < 0.2, abs(slope["rk4, autonomous"] - 4) < 0.2
if not (first and fourth and times[:4] == [0.0, 0.0, 0.5, 0.5]):
    sys.exit("not as described any more: rk4 should have slope 1 with time, 4 without, stages at 0, 0, dt/2, dt/2")
EOF
