"""Arrays of PyTorch reference networks of width 4, run once: see `load`."""

from pathlib import Path

import numpy as np


def load_matchgan(labels: str) -> dict[str, np.ndarray]:
    """Loads MatchGAN's arrays, named as in its public code; `labels` is `multilabel` (5) or `singlelabel` (8, one-hot).

    - `G/` (2 blocks), `D/` (3 layers, 32x32): weights.
    - `in/x_real`, `c_org`, `c_trg`: 16 images, 4 labels x 4; `alpha` [step, image], the share of real in the penalty;
      `regroup` puts fakes with equal targets side by side; `pair_a`, `pair_b`, `pair_label`: the pairs.
    - `out/d_cls`, `out/g_fake`, `out/pair_logits` on real pairs; `loss/*`: unweighted terms and totals.
    - `grad/D/`: gradient of `d_total`, `grad/G/`: of `g_total` (singlelabel only).
    - `traj/total` [step, (d_total, g_total)]: discriminator, then generator, Adam 1e-4, the same batch each step.
    """
    with np.load(Path(__file__).parent / f"matchgan_{labels}.npz") as loaded:
        return dict(loaded)


def load() -> dict[str, np.ndarray]:
    """Loads CycleGAN's arrays: NCHW and OIHW, named as PyTorch names them.

    - `G_AB/`, `G_BA/` (2 blocks), `D_A/`, `D_B/` (3 layers; `D_A` judges domain a): weights.
    - `in/real_a`, `in/real_b`; `out/fake_b`, `out/d_b_real` (D_B on real b), `out/d_a_fake` (D_A on the fake a).
    - `loss/*`: unweighted terms; `g_total` = adversarial + 10 cycle + 5 identity; `d_total` = d_a + d_b, each halved.
    - `grad/G_AB/`: gradient of `g_total`; `grad/D_A/`: of `d_total`.
    - `traj/total` [step, (g_total, d_total)]: the generators' update, then the discriminators' with the fakes made
      before it; Adam 2e-4 (0.5, 0.999), the same batch each step, no pool.
    """
    arrays = {}
    for path in sorted(Path(__file__).parent.glob("cyclegan_*.npz")):
        with np.load(path) as loaded:
            arrays |= dict(loaded)
    return arrays


def select(arrays: dict[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    """Returns the arrays below a prefix, `G_AB`, under their names there."""
    return {name.removeprefix(f"{prefix}/"): v for name, v in arrays.items() if name.startswith(f"{prefix}/")}
