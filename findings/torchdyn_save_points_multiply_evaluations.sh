#!/usr/bin/env bash
# With torchdyn's adaptive solvers, asking for the solution at more times costs more evaluations of the field.
#
# Expected: "dopri5" and "tsit5" choose their steps by the tolerances and read the solution off between them
# (as torchdiffeq's odeint does), so the cost does not depend on how many times t_span holds.
#
# What happens (torchdyn 1.0.6, _adaptive_odeint in torchdyn/numerics/odeint.py): without an interpolator,
# which is the default, a step that would pass the next time of t_span is cut so that it ends there exactly.
# There is at least one step of six evaluations between neighbouring times, and the tolerances lose their say:
# the solution becomes far more accurate than asked for. This holds for dopri5 and tsit5.
# With interpolator="4th" the steps of dopri5 are cut at the end of t_span only, and the times between are
# read off a quartic that reuses the stages of the step, here with a few times the error of the steps' ends.
# For tsit5, odeint sets the interpolator to None, with a warning only if verbose=True: "4th" has no effect.
#
# Below, dx/dt = x cos(t), x(0) = 1, from t = 0 to 2 (solution: exp(sin t)) with atol = rtol = 1e-4 in double
# precision; "error" is the largest one over the times of t_span. Counts are 2 + 6 per tried step.
#
# Seen on 2026-11-29:
#   torchdyn 1.0.6, torch 2.13.0+cpu, numpy 2.4.6
#   save points           2       11      101     1001
#   dopri5, None         32       68      602     6002
#     error         1.5e-04  8.4e-08  8.3e-13  4.9e-15
#   dopri5, 4th          32       32       32       32
#     error         1.5e-04  4.3e-04  4.6e-04  4.6e-04
#   tsit5, None          32       68      602     6002
#     error         1.9e-04  6.4e-08  3.0e-13  7.5e-15
#   tsit5, 4th           32       68      602     6002
#     error         1.9e-04  6.4e-08  3.0e-13  7.5e-15
#
# Instead: use dopri5 with interpolator="4th", or give t_span the two ends only, and state the evaluations
# together with the number of save points. Counts from different t_spans cannot be compared.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
# torchdyn itself goes without its dependencies (pytorch-lightning and more): its solvers need only these.
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6 scipy==1.17.1 \
    attrs==26.1.0 torchcde==0.2.5 torchdiffeq==0.2.5 torchsde==0.2.6 trampoline==0.1.2
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps torchdyn==1.0.6
"$folder/venv/bin/python" - <<'EOF'
import sys

import numpy as np
import torch
import torchdyn
from torchdyn.numerics import odeint

torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)
print(f"torchdyn {torchdyn.__version__}, torch {torch.__version__}, numpy {np.__version__}")
points = [2, 11, 101, 1001]
print("save points".ljust(14), *(f"{n:8d}" for n in points))
counts = {}
for solver, interpolator in [("dopri5", None), ("dopri5", "4th"), ("tsit5", None), ("tsit5", "4th")]:
    counts[solver, interpolator], errors = [], []
    for n in points:
        times = []

        def field(t, x, args=None):
            times.append(t)
            return x * torch.cos(t)
        t_span, start = torch.linspace(0, 2, n), torch.tensor([1.0])
        t, x = odeint(field, start, t_span, solver, atol=1e-4, rtol=1e-4, interpolator=interpolator)
        counts[solver, interpolator].append(len(times))
        errors.append(float((x[:, 0] - torch.exp(torch.sin(t))).abs().max()))
    print(f"{solver}, {interpolator}".ljust(14), *(f"{c:8d}" for c in counts[solver, interpolator]))
    print("  error".ljust(14), *(f"{e:8.1e}" for e in errors))
plain, read_off, tsit5, tsit5_4th = counts.values()
grow = all(c[-1] >= 6 * 1000 and c[-1] > 50 * c[0] for c in (plain, tsit5))
if not (grow and read_off == [plain[0]] * 4 and tsit5_4th == tsit5):
    sys.exit("not as described any more: counts should grow with the save points, but not for dopri5 with '4th'")
EOF
