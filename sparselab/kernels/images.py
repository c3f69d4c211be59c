"""Gathers a mini-batch of images, each of them mirrored, turned and moved at random, with noise.

How an image is changed is a function of (key, sample): of no thread, tile or batch. An output pixel reads the place of the image
that it shows, between four pixels where that is no whole place; outside of the image it is black.
"""

import math

import numpy as np

from .ends import GATHER
from .native import native
from .rng import U64, key64, mix64
from .settings import jit
from .system import array_at

# `settings` (SETTINGS,) int64: the key of the epoch, pixels of a column and of a row of an image, channels, the largest move in
# whole pixels, 1 where half of the images are mirrored; then, as the bits of float64 numbers, `amounts` (AMOUNTS,): the largest
# angle in radians, the largest moves in pixels, and the deviation of the noise
KEY, HEIGHT, WIDTH, CHANNELS, PAD, FLIP, WHOLE = range(7)
ANGLE, DOWN, RIGHT, NOISE, AMOUNTS = range(5)
SETTINGS = WHOLE + AMOUNTS
BLOCK = 10000  # features
DRAWS = 6  # numbers drawn for the changes of an image; those of noise follow


@jit
def draw(key, number):
    """Draw `number` of an image, uniform in [0, 1), a multiple of 2^-53."""
    return np.float64(key64(key, number) >> U64(11)) * 2.0**-53


@jit
def move(key, number, pad, most):
    """A whole number of pixels in [-pad, pad], plus a real one in [-most, most)."""
    return math.floor(draw(key, number) * (2 * pad + 1)) - pad + most * (2 * draw(key, number + 1) - 1)


@jit
def value_at(image, y, x, channel, height, width, channels, outside):
    """A value of an image, `outside` where the place is not in it."""
    if y < 0 or y >= height or x < 0 or x >= width:
        return np.float64(outside)
    return np.float64(image[(y * width + x) * channels + channel])


@jit
def change(image, key, black, settings, amounts, begin, end, column):
    """Pixels [begin, end) of an image, changed as the image's key says, into a column (features,) of a tile."""
    height, width, channels, pad = settings[HEIGHT], settings[WIDTH], settings[CHANNELS], settings[PAD]
    mirrored, angle = settings[FLIP] == 1 and draw(key, 0) < 0.5, amounts[ANGLE] * (2 * draw(key, 1) - 1)
    down, right = move(key, 2, pad, amounts[DOWN]), move(key, 4, pad, amounts[RIGHT])
    cosine, sine, middle_y, middle_x = math.cos(angle), math.sin(angle), (height - 1) / 2, (width - 1) / 2
    y, x = begin // width, begin % width
    for place in range(begin, end):
        from_y, from_x = y - middle_y - down, x - middle_x - right
        at_y, at_x = cosine * from_y + sine * from_x + middle_y, cosine * from_x - sine * from_y + middle_x
        at_x = width - 1 - at_x if mirrored else at_x
        top, left = math.floor(at_y), math.floor(at_x)
        low, far = at_y - top, at_x - left
        for channel in range(channels):
            j = place * channels + channel
            value = value_at(image, top, left, channel, height, width, channels, black[j])
            if low != 0 or far != 0:
                beside = value_at(image, top, left + 1, channel, height, width, channels, black[j])
                below = value_at(image, top + 1, left, channel, height, width, channels, black[j])
                across = value_at(image, top + 1, left + 1, channel, height, width, channels, black[j])
                value = (1 - low) * ((1 - far) * value + far * beside) + low * ((1 - far) * below + far * across)
            column[j] = value
        x += 1
        if x == width:
            y, x = y + 1, 0


@jit
def add_noise(key, deviation, begin, end, column):
    """Add normal noise to features [begin, end) of a column; 2 i and 2 i + 1 are a pair of Box & Muller (1958)."""
    for j in range(begin, end):
        pair = DRAWS + 2 * (j // 2)
        radius, angle = math.sqrt(-2 * math.log(1 - draw(key, pair))), 2 * math.pi * draw(key, pair + 1)
        column[j] += deviation * radius * (math.cos(angle) if j % 2 == 0 else math.sin(angle))


@jit
def gather_images(X, black, settings, amounts, samples, first, count, out, begin, end):
    """Pixels [begin, end) of out (features, W): image samples[first + c] of X in column c < count, changed; 0 beyond.

    X (n, features): rows, then pixels, then channels of each image. black (features,): what is outside of an image.
    """
    key = mix64(np.uint64(settings[KEY]))  # none of the keys of dropout
    for c in range(count):
        sample = samples[first + c]
        change(X[sample], key64(key, sample), black, settings, amounts, begin, end, out[:, c])
        if amounts[NOISE] > 0:
            features = begin * settings[CHANNELS], end * settings[CHANNELS]
            add_noise(key64(key, sample), amounts[NOISE], features[0], features[1], out[:, c])
    for j in range(begin * settings[CHANNELS], end * settings[CHANNELS]):
        for c in range(count, out.shape[1]):
            out[j, c] = 0


@native(GATHER)
def from_images(part, parts, X, black, settings, n_rows, n_features, samples, first, count, tile, width, layer):
    """`ends.from_dense` for images; black and settings are at the addresses that a CSR matrix has its indices at."""
    sizes = array_at(settings, (WHOLE,), np.int64)
    pixels = sizes[HEIGHT] * sizes[WIDTH]
    gather_images(
        array_at(X, (n_rows, n_features), np.float32), array_at(black, (n_features,), np.float32), sizes,
        array_at(settings + 8 * WHOLE, (AMOUNTS,), np.float64), array_at(samples, (first + count,), np.int64), first, count,
        array_at(tile, (n_features, width), np.float32), pixels * part // parts, pixels * (part + 1) // parts,
    )  # fmt: skip
