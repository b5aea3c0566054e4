"""The sums of a dataset by the kernel: threads of one process read, hash, parse, settle and fold what is due."""

from calib.dataset.native.sums import NativeResult, sum_natively

__all__ = ["NativeResult", "sum_natively"]
