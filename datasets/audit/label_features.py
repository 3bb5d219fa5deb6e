"""Features for the quick model that looks for wrong labels: gradients, colours and small patterns."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from ..arrays import row_blocks
from ..base import Images
from ..splits.duplicates import area_means

Features = NDArray[np.float32]

_ORIENTATIONS = 8
_CELLS = 6
_THUMBNAIL = 8
# Images are resized to the first side before patterns are taken; those smaller than the second have none.
_PATTERN_IMAGE = 32
_SMALLEST_SIDE = 16
_PATTERN = 6
_PATTERNS = 256
_STRIDE = 2
_LEAST_RESPONSE = 0.25
_IMAGES_SAMPLED = 1000
_PATCHES_SAMPLED = 40_000
_IMAGES_AT_ONCE = 128


def image_features(images: Images, seed: int) -> Features:
    """All features of each image.

    Args:
        images: uint8 (n, height, width, channels).
        seed: Random seed for the choice of patterns.

    Returns:
        float32 (n, features).
    """
    parts = [gradient_features(images), colour_features(images)]
    if min(images.shape[1:3]) >= _SMALLEST_SIDE:
        parts.append(pattern_features(images, seed))
    return np.hstack(parts)


def gradient_features(images: Images) -> Features:
    """Histograms of gradient directions in 6x6 cells, and an 8x8 thumbnail of every channel.

    After N. Dalal and B. Triggs, "Histograms of Oriented Gradients for Human Detection" (2005).
    """
    height, width, channels = images.shape[1:]
    cells = area_means(height, _CELLS), area_means(width, _CELLS)
    small = area_means(height, _THUMBNAIL), area_means(width, _THUMBNAIL)
    features = np.empty((len(images), _ORIENTATIONS * _CELLS**2 + channels * _THUMBNAIL**2), np.float32)
    for block in row_blocks(images, spread=_ORIENTATIONS):
        planes = np.moveaxis(images[block].astype(np.float32), 3, 1) / 255
        grey = planes.mean(axis=1)
        down, across = np.gradient(grey, axis=(1, 2))
        strength = np.hypot(down, across)
        direction = (np.arctan2(down, across) / np.pi * _ORIENTATIONS).astype(np.int8) % _ORIENTATIONS
        histograms = np.stack(
            [cells[0] @ np.where(direction == bin_, strength, 0) @ cells[1].T for bin_ in range(_ORIENTATIONS)], axis=1
        ).reshape(len(planes), -1)
        histograms /= np.linalg.norm(histograms, axis=1, keepdims=True) + 1e-3
        thumbnails = (small[0] @ planes @ small[1].T).reshape(len(planes), -1)
        features[block] = np.hstack([histograms, thumbnails])
    return features


def colour_features(images: Images) -> Features:
    """Square roots of the share of pixels in each of 64 colours, or of 16 greys."""
    colours = 64 if images.shape[3] == 3 else 16
    features = np.empty((len(images), colours), np.float32)
    for block in row_blocks(images, spread=2):
        pixels = images[block].reshape(block.stop - block.start, -1, images.shape[3])
        codes = (pixels >> 6) @ np.array([16, 4, 1], np.uint8) if colours == 64 else pixels[:, :, 0] >> 4
        for row, code in enumerate(codes, block.start):
            features[row] = np.bincount(code, minlength=colours) / len(code)
    return np.sqrt(features)


def pattern_features(images: Images, seed: int) -> Features:
    """Response of each quarter of an image to small patterns taken from the images themselves.

    After A. Coates, H. Lee and A. Ng, "An Analysis of Single-Layer Networks in Unsupervised Feature Learning"
    (2011): patches of 6x6 pixels are whitened, and their products with the patterns pass a soft threshold.
    """
    random = np.random.default_rng(seed)
    sampled = images[np.sort(random.permutation(len(images))[:_IMAGES_SAMPLED])]
    patches = _patches(sampled)
    places = patches.shape[1:3]
    flat = patches.reshape(-1, patches.shape[-1])
    weights, offsets = _patterns(flat[random.permutation(len(flat))[:_PATCHES_SAMPLED]], random)
    rows, columns = (area_means(count, 2) for count in places)
    features = np.empty((len(images), 4 * len(offsets)), np.float32)
    for start in range(0, len(images), _IMAGES_AT_ONCE):
        patches = _patches(images[start : start + _IMAGES_AT_ONCE])
        answers = np.maximum(patches @ weights - offsets, 0)
        pooled = np.einsum("ia,nabk,jb->nijk", rows, answers, columns, optimize=True)
        features[start : start + len(patches)] = pooled.reshape(len(patches), -1)
    return features


def _patches(images: Images) -> Features:
    """Patches of mean 0 and contrast 1, float32 (n, rows, columns, values)."""
    planes = np.moveaxis(images.astype(np.float32), 3, 1)
    height, width = images.shape[1:3]
    planes = area_means(height, _PATTERN_IMAGE) @ planes @ area_means(width, _PATTERN_IMAGE).T
    windows = sliding_window_view(planes, (_PATTERN, _PATTERN), axis=(2, 3))[:, :, ::_STRIDE, ::_STRIDE]
    count, _, rows, columns = windows.shape[:4]
    patches: Features = np.moveaxis(windows, 1, 3).reshape(count, rows, columns, -1)
    patches -= patches.mean(axis=-1, keepdims=True)
    # Ten grey levels are added so that flat patches do not become noise.
    patches /= patches.std(axis=-1, keepdims=True) + 10
    return patches


def _patterns(patches: Features, random: np.random.Generator) -> tuple[Features, Features]:
    """Weights (values, patterns) and offsets (patterns,) that whiten a patch and compare it with each pattern."""
    mean = patches.mean(axis=0)
    spreads, axes = np.linalg.eigh(np.cov(patches - mean, rowvar=False))
    whitening = (axes / np.sqrt(spreads + 0.1)) @ axes.T
    whitened = (patches - mean) @ whitening
    patterns = whitened[random.permutation(len(whitened))[:_PATTERNS]]
    patterns /= np.linalg.norm(patterns, axis=1, keepdims=True) + 1e-6
    weights = (whitening @ patterns.T).astype(np.float32)
    offsets: Features = (mean @ weights + _LEAST_RESPONSE).astype(np.float32)
    return weights, offsets
