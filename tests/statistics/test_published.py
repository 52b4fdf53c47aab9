"""The published example of multi-reader analyses: Van Dyke et al. (1993), 5 readers, 2 modalities.

Obuchowski and Rockette 1995, analysed in Hillis 2007 (doi 10.1002/sim.2532) and by the package
RJafroc: F 4.4563, 15.26 degrees of freedom, p 0.0517, difference -0.0438 [-0.0880, 0.0004]. Here
the formulas stand by themselves, and then what ours have in common with them, and what not.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from polybatch.statistics.influence import Arm
from polybatch.statistics.multi_reader import Contrast, estimate

READERS, MODALITIES = 5, 2
MS_T, MS_TR = 0.004796171, 0.0005510306
COV_2, COV_3 = 0.0003440748, 0.0002390284
DIFFERENCE = -0.0438003


def obuchowski_rockette(
    ms_t: float, ms_tr: float, cov: float, readers: int, arms: int
) -> tuple[float, float, float]:
    """Return F, its denominator degrees of freedom (Hillis) and p; `cov`: Cov2 - Cov3."""
    denominator = ms_tr + max(readers * cov, 0)
    freedom = denominator**2 / (ms_tr**2 / ((arms - 1) * (readers - 1)))
    found = ms_t / denominator
    return found, freedom, float(stats.f.sf(found, arms - 1, freedom))


def test_the_formulas_give_what_was_published() -> None:
    found, freedom, p = obuchowski_rockette(MS_T, MS_TR, COV_2 - COV_3, READERS, MODALITIES)
    assert (found, freedom, p) == pytest.approx((4.4563, 15.26, 0.0517), rel=1e-3)
    error = (2 / READERS * (MS_TR + READERS * (COV_2 - COV_3))) ** 0.5
    reach = stats.t.ppf(0.975, freedom) * error
    ends = (DIFFERENCE - reach, DIFFERENCE + reach)
    assert ends == pytest.approx((-0.0880, 0.0004), abs=1e-4)


def _arms(cases: int, seed: int) -> dict[str, Arm]:
    """Return paired arms whose readers and cases are as variable as Van Dyke's.

    The readers' part is 2 MS(TR), since MS(TR) is half of the variance of the paired differences;
    the cases' part of the variance of the difference is 2 (Cov2 - Cov3).
    """
    chance = np.random.default_rng(seed)
    readers = chance.standard_normal(READERS)
    readers = (readers - readers.mean()) / readers.std(ddof=1) * (2 * MS_TR) ** 0.5
    moved = chance.standard_normal(cases)
    moved = (moved - moved.mean()) / (moved**2).sum() ** 0.5
    moved *= ((cases - 1) / cases * 2 * (COV_2 - COV_3)) ** 0.5 / moved.std(ddof=0) / cases**0.5
    influence = np.repeat(moved[None, :, None], READERS, axis=0)
    nothing = np.zeros((READERS, cases, 1))
    values = (DIFFERENCE + readers)[:, None]
    return {
        "spin echo": Arm(np.zeros((READERS, 1)), nothing, True),
        "cine": Arm(values, influence, True),
    }


def test_ours_has_the_same_error_and_counts_the_cases_freedom_too() -> None:
    """Seeds are paired readers. Hillis takes the cases' variance for known, ours does not.

    So the error is the same, and our degrees of freedom are fewer: those of the cases, G - 1, come
    in beside them (Satterthwaite); with many cases ours are his. Where arms do not share a plan,
    ours pools the seed variance over all trained arms, which readers who read both do not allow.
    """
    contrast = Contrast("cine", "spin echo", shared_plan=True)
    error = (2 / READERS * (MS_TR + READERS * (COV_2 - COV_3))) ** 0.5
    _, freedom, p = obuchowski_rockette(MS_T, MS_TR, COV_2 - COV_3, READERS, MODALITIES)
    few, many = (estimate(_arms(cases, 0), contrast) for cases in (114, 1_000_000))
    for found in (few, many):
        assert found.value[0] == pytest.approx(DIFFERENCE)
        assert found.error[0] == pytest.approx(error, rel=1e-6)
    assert many.freedom[0] == pytest.approx(freedom, rel=1e-3)
    assert many.p[0] == pytest.approx(p, rel=1e-2)
    assert many.interval(0.95)[1][0] == pytest.approx(0.0004, abs=1e-4)
    assert freedom - 2 < few.freedom[0] < freedom
