"""The sums of a dataset by the kernel: the threads of one process read, hash, parse, settle and fold."""

from calib.dataset.native.sums import NativeResult, sum_natively

__all__ = ["NativeResult", "sum_natively"]
