"""Scores of label maps and of pictures, in NumPy. Pictures are uint8, uint16 or float in [0, 1]."""

import numpy as np

from gan_ssl import errors

GREY_WEIGHTS = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601, as PIL's mode L
EDGE_SHARE = 0.15
_SSIM_SIDE, _SSIM_SIGMA = 11, 1.5
_SSIM_CONSTANTS = 0.01**2, 0.03**2


def confusion_matrix(
    truth: np.ndarray, prediction: np.ndarray, num_classes: int, ignore_index: int = 255
) -> np.ndarray:
    """Counts pixels by true and predicted class.

    Args:
        truth: class indices of any shape; pixels that are `ignore_index` do not count.
        prediction: class indices below `num_classes`, the same shape.
        num_classes: number of classes.
        ignore_index: true label that is left out.

    Returns:
        `[num_classes, num_classes]` int64: rows are true, columns predicted classes.

    Raises:
        DataError: the shapes differ, or a label is neither a class nor `ignore_index`.
    """
    if truth.shape != prediction.shape:
        raise errors.DataError(f"truth has shape {truth.shape}, prediction {prediction.shape}; allowed: equal shapes")
    valid = truth != ignore_index
    truth, prediction = truth[valid].astype(np.int64), prediction[valid].astype(np.int64)
    for name, labels in (("truth", truth), ("prediction", prediction)):
        if labels.size and not 0 <= labels.min() <= labels.max() < num_classes:
            raise errors.DataError(
                f"{name} has labels from {labels.min()} to {labels.max()}; "
                f"allowed: 0 to {num_classes - 1}, and {ignore_index} (ignored) in the truth"
            )
    counts = np.bincount(num_classes * truth + prediction, minlength=num_classes**2)
    return counts.reshape(num_classes, num_classes)


def iou_by_class(matrix: np.ndarray) -> np.ndarray:
    """Intersection over union of each class: `[num_classes]` in [0, 1], NaN where truth and prediction lack it."""
    union = matrix.sum(axis=0) + matrix.sum(axis=1) - matrix.diagonal()
    return np.where(union > 0, matrix.diagonal() / np.maximum(union, 1), np.nan)


def mean_iou(matrix: np.ndarray) -> float:
    """Mean IoU over the classes that truth or prediction have; NaN if there is none."""
    iou = iou_by_class(matrix)
    return float(np.nanmean(iou)) if np.isfinite(iou).any() else float("nan")


def pixel_accuracy(matrix: np.ndarray) -> float:
    """Share of the counted pixels whose class is right; NaN if there is none."""
    return float(matrix.trace() / matrix.sum()) if matrix.sum() else float("nan")


def to_unit(images: np.ndarray) -> np.ndarray:
    """Scales integer pixels by their type's range to float64 in [0, 1]; floats stay as they are."""
    scale = np.iinfo(images.dtype).max if np.issubdtype(images.dtype, np.integer) else 1
    return images.astype(np.float64) / scale


def grey(images: np.ndarray) -> np.ndarray:
    """Returns the luma of `[..., 3]` pictures, in [0, 1]."""
    return to_unit(images) @ GREY_WEIGHTS


def l1(x: np.ndarray, y: np.ndarray) -> float:
    """Mean absolute difference of pictures on [0, 1], over all pixels and channels."""
    return float(np.mean(np.abs(to_unit(x) - to_unit(y))))


def _filter(images: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Filters `[n, height, width]` along both axes, where the kernel lies inside the picture."""
    for axis in (1, 2):
        windows = np.lib.stride_tricks.sliding_window_view(images, min(len(kernel), images.shape[axis]), axis=axis)
        cut = (len(kernel) - windows.shape[-1]) // 2
        taps = kernel[cut : cut + windows.shape[-1]]
        images = windows @ (taps / taps.sum())
    return images


def ssim(x: np.ndarray, y: np.ndarray) -> float:
    """Structural similarity (Wang et al., IEEE TIP 2004, eq. 13): grey, Gaussian window of 11 pixels, sigma 1.5.

    Args:
        x: `[n, height, width, 3]` pictures.
        y: the same shape.

    Returns:
        The mean over pictures and the window's places inside them, at most 1. Sides below 11 shorten the window.
    """
    taps = np.arange(_SSIM_SIDE) - _SSIM_SIDE // 2
    kernel = np.exp(-0.5 * np.square(taps / _SSIM_SIGMA))
    x, y = grey(x), grey(y)
    mean_x, mean_y = _filter(x, kernel), _filter(y, kernel)
    var_x = _filter(x * x, kernel) - mean_x**2
    var_y = _filter(y * y, kernel) - mean_y**2
    covariance = _filter(x * y, kernel) - mean_x * mean_y
    c1, c2 = _SSIM_CONSTANTS
    luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    return float(np.mean(luminance * (2 * covariance + c2) / (var_x + var_y + c2)))


def strongest_edges(images: np.ndarray, share: float = EDGE_SHARE) -> np.ndarray:
    """Marks the pixels of each picture whose gradient is among the strongest.

    Args:
        images: `[n, height, width, 3]` pictures.
        share: of the pixels to mark; where fewer have any gradient, these.

    Returns:
        `[n, height, width]` bool: magnitude of the grey's central differences at or above its 1 - share quantile.
    """
    down, right = np.gradient(grey(images), axis=(1, 2))
    magnitude = np.hypot(down, right)
    threshold = np.quantile(magnitude, 1 - share, axis=(1, 2), keepdims=True)
    return (magnitude >= threshold) & (magnitude > 1e-6)


def edge_f_score(x: np.ndarray, y: np.ndarray, share: float = EDGE_SHARE) -> float:
    """Agreement of the strongest edges: F-score of their masks, pixel by pixel without tolerance, mean over pictures.

    Args:
        x: `[n, height, width, 3]` pictures.
        y: the same shape.
        share: of the pixels that count as edges.

    Returns:
        A score in [0, 1]; two flat pictures agree.
    """
    edges_x, edges_y = strongest_edges(x, share), strongest_edges(y, share)
    both = (edges_x & edges_y).sum(axis=(1, 2))
    total = edges_x.sum(axis=(1, 2)) + edges_y.sum(axis=(1, 2))
    return float(np.mean(np.where(total > 0, 2 * both / np.maximum(total, 1), 1.0)))


def input_output_correlation(images: np.ndarray, translated: np.ndarray) -> float:
    """Mean over pictures of the correlation of a picture with its translation.

    Args:
        images: `[n, height, width, 3]` pictures.
        translated: their translations.

    Returns:
        A number in [-1, 1], -1 for inverted colours; pictures that are flat on a side count as 0.
    """
    x, y = (to_unit(p).reshape(len(p), -1) for p in (images, translated))
    x, y = (p - p.mean(axis=1, keepdims=True) for p in (x, y))
    norm = np.sqrt((x * x).sum(axis=1) * (y * y).sum(axis=1))
    return float(np.mean(np.where(norm > 1e-12, (x * y).sum(axis=1) / np.maximum(norm, 1e-12), 0.0)))


def variation(images: np.ndarray) -> float:
    """Standard deviation over pictures, mean over pixels and channels, on [0, 1]; 0 if all are one picture."""
    return float(np.mean(np.std(to_unit(images), axis=0)))
