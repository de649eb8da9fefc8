"""Types with chance against closed forms, scipy and loops over pixels that use the same draws."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pytest
import torch
from scipy import ndimage, stats

from robustbench_snn.corruption.generate import corrupt
from robustbench_snn.randomness import SampleRandom
from robustbench_snn.suites.corruptions import elastic_transform as elastic
from robustbench_snn.suites.corruptions import frost as frost_module
from robustbench_snn.suites.corruptions._alias import alias_tables
from robustbench_snn.suites.corruptions._canny import canny
from robustbench_snn.suites.corruptions._chamfer import ONE, chamfer_distance
from robustbench_snn.suites.corruptions._plasma import plasma
from robustbench_snn.suites.corruptions._streak import streak
from robustbench_snn.suites.corruptions.glass_blur import follow, shuffle_once
from robustbench_snn.suites.corruptions.spatter import equalise, light_on_drops

GREY = 120
Field = npt.NDArray[np.float64]


def flat_images(level: int = GREY, count: int = 8) -> npt.NDArray[np.uint8]:
    return np.full((count, 32, 32, 3), level, np.uint8)


def streams(count: int = 3) -> SampleRandom:
    return SampleRandom.for_samples("test", sample_ids=range(count))


@pytest.mark.parametrize(("severity", "sigma"), [(1, 0.04), (2, 0.06), (3, 0.08), (4, 0.09), (5, 0.1)])
def test_gaussian_noise_has_its_deviation(severity: int, sigma: float) -> None:
    noise = corrupt(flat_images(), "gaussian_noise", severity).astype(float) - GREY
    assert noise.std() == pytest.approx(255 * sigma, rel=0.02)
    assert noise.mean() == pytest.approx(-0.5, abs=0.6)  # truncation


@pytest.mark.parametrize(("severity", "sigma"), [(1, 0.06), (2, 0.1), (3, 0.12), (4, 0.16), (5, 0.2)])
@pytest.mark.parametrize("level", [60, 120])
def test_speckle_noise_grows_with_the_pixel(level: int, severity: int, sigma: float) -> None:
    assert corrupt(flat_images(level), "speckle_noise", severity).std() == pytest.approx(level * sigma, rel=0.02)


@pytest.mark.parametrize(("severity", "photons"), [(1, 500), (2, 250), (3, 100), (4, 75), (5, 50)])
def test_shot_noise_is_poisson(severity: int, photons: int) -> None:
    found = corrupt(flat_images(count=16), "shot_noise", severity).ravel()
    rate = GREY / 255 * photons
    counts = np.arange(int(rate + 12 * math.sqrt(rate)))
    levels = np.minimum(255, np.floor(counts / photons * 255 + 1e-3))
    chances = stats.poisson.pmf(counts, rate)
    for level in np.unique(levels):
        chance = chances[levels == level].sum()
        if chance * len(found) > 20:
            deviation = math.sqrt(chance * (1 - chance) / len(found))
            assert abs((found == level).mean() - chance) < 5 * deviation
    assert not corrupt(flat_images(0), "shot_noise", severity).any()  # no light, no noise


@pytest.mark.parametrize("shape", [(1, 1), (4, 2), (30, 7), (9, 64)])
def test_alias_tables_hold_the_distribution(shape: tuple[int, int]) -> None:
    chances = np.random.default_rng(0).random(shape) ** 8
    chances[0] = 0
    chances[0, -1] = 1
    chances /= chances.sum(1, keepdims=True)
    keep, alias = alias_tables(chances)
    drawn = keep / shape[1]
    for row in range(shape[0]):
        np.add.at(drawn[row], alias[row], (1 - keep[row]) / shape[1])
    np.testing.assert_allclose(drawn, chances, atol=1e-14)


@pytest.mark.parametrize(("severity", "amount"), [(1, 0.01), (2, 0.02), (3, 0.03), (4, 0.05), (5, 0.07)])
def test_impulse_noise_hits_its_share(severity: int, amount: float) -> None:
    found = corrupt(flat_images(count=64), "impulse_noise", severity)
    for extreme in (0, 255):
        assert (found == extreme).mean() == pytest.approx(amount / 2, rel=0.08)
    assert set(np.unique(found)) == {0, GREY, 255}


@pytest.mark.parametrize("reach", [1, 2, 4])
def test_glass_blur_follows_copies_as_a_loop_would(reach: int) -> None:
    height, width = 19, 23
    rows, columns = np.divmod(np.arange(height * width), width)
    turns = (rows > reach) & (rows <= height - reach) & (columns > reach) & (columns <= width - reach)
    offsets = np.random.default_rng(reach).integers(-reach, reach, (2, 3, height * width))
    partners = np.where(turns, np.arange(height * width) + offsets[0] * width + offsets[1], np.arange(height * width))
    held = np.tile(np.arange(height * width), (3, 1))
    for pixel in range(height * width - 1, -1, -1):  # last row first, last column first
        if turns[pixel]:
            held[range(3), pixel] = held[range(3), partners[:, pixel]]
    found = follow(torch.from_numpy(partners), torch.from_numpy(turns))
    np.testing.assert_array_equal(found.numpy(), held)


def test_glass_blur_moves_are_uniform_and_keep_to_the_inside() -> None:
    sources = shuffle_once(streams(40), 32, 32, 1).numpy()
    moves = np.stack(np.divmod(np.arange(1024), 32)) - np.stack(np.divmod(sources, 32)).transpose(1, 0, 2)
    moves = moves.reshape(40, 2, 32, 32)
    assert not moves[..., :2, :].any()
    assert not moves[..., :2].any()
    inner = moves[:, :, 2:, 2:]
    assert set(np.unique(inner)) == {0, 1}
    for axis in (0, 1):
        assert inner[:, axis].mean() == pytest.approx(0.5, abs=0.015)
    assert (inner[:, 0] * inner[:, 1]).mean() == pytest.approx(0.25, abs=0.015)


@pytest.mark.parametrize(("radius", "sigma"), [(6, 1.0), (9, 2.5), (15, 12.0)])
def test_streak_sums_shifted_copies(radius: int, sigma: float) -> None:
    images = torch.rand(4, 2, 11, 13) * 255
    angles = (-44.0, 10.0, 45.0, -100.0)
    weights = [math.exp(-(i**2) / (2 * sigma**2)) for i in range(2 * radius + 1)]
    expected = np.zeros((4, 2, 11, 13))
    for n, angle in enumerate(angles):
        for i, weight in enumerate(weights):
            down = math.ceil(i * math.sin(math.radians(angle)) - 0.5)
            right = math.ceil(i * math.cos(math.radians(angle)) - 0.5)
            for h in range(11):
                for w in range(13):
                    source = images[n, :, min(10, max(0, h + down)), min(12, max(0, w + right))]
                    expected[n, :, h, w] += weight / sum(weights) * source.numpy()
    np.testing.assert_allclose(streak(images, torch.tensor(angles), radius, sigma), expected, atol=1e-3)


def test_motion_blur_keeps_within_its_angles() -> None:
    images = np.zeros((60, 33, 33, 1), np.uint8)
    images[:, 16, 16] = 255
    smear = corrupt(images, "motion_blur", 5)[..., 0].astype(float)
    rows, columns = np.mgrid[:33, :33] - 16
    assert not smear[:, columns > 0].any()  # copies come from the right: smears run to the left
    assert not smear[:, np.abs(rows) > np.abs(columns) + 1].any()
    up, down = (smear * (rows < 0)).sum(), (smear * (rows > 0)).sum()
    assert 0.5 < up / down < 2


def test_plasma_is_the_diamond_square_recurrence() -> None:
    random, size, decay = streams(2), 8, 1.7
    expected = np.zeros((2, size, size))
    step, amplitude = size, 100.0
    while step >= 2:
        half, count = step // 2, size // step
        draws = (random.fold(step).uniform(3, count, count).numpy() * 2 - 1) * amplitude**2
        for i in range(count):
            for j in range(count):
                y, x, y1, x1 = i * step, j * step, (i + 1) * step % size, (j + 1) * step % size
                corners = expected[:, y, x] + expected[:, y1, x] + expected[:, y, x1] + expected[:, y1, x1]
                expected[:, y + half, x + half] = corners / 4 + draws[:, 0, i, j]
        for i in range(count):
            for j in range(count):
                y, x, y1, x1 = i * step, j * step, (i + 1) * step % size, (j + 1) * step % size
                here = expected[:, y, x] + expected[:, y + half, x + half]
                above, left = expected[:, (y - half) % size, x + half], expected[:, y + half, (x - half) % size]
                expected[:, y, x + half] = (here + above + expected[:, y, x1]) / 4 + draws[:, 1, i, j]
                expected[:, y + half, x] = (here + left + expected[:, y1, x]) / 4 + draws[:, 2, i, j]
        step, amplitude = half, amplitude / decay
    expected -= expected.min((1, 2), keepdims=True)
    expected /= expected.max((1, 2), keepdims=True)
    np.testing.assert_allclose(plasma(random, size, decay), expected, atol=1e-5)


@pytest.mark.parametrize(("severity", "strength"), [(1, 0.2), (2, 0.5), (3, 0.75), (4, 1.0), (5, 1.5)])
def test_fog_spans_what_its_strength_allows(severity: int, strength: float) -> None:
    found = corrupt(flat_images(200), "fog", severity)
    darkest = 200 * 200 / (200 + 255 * strength)  # where the fractal is 0; where it is 1 the image is back at 200
    assert np.abs(found.min((1, 2, 3)) - darkest).max() <= 1
    assert np.abs(found.max((1, 2, 3)).astype(int) - 200).max() <= 1


@pytest.mark.parametrize(
    ("severity", "mean", "deviation", "zoom", "threshold", "radius", "sigma", "mix"),
    [
        (1, 0.1, 0.2, 1.0, 0.6, 8, 3, 0.95),
        (2, 0.1, 0.2, 1.0, 0.5, 10, 4, 0.9),
        (3, 0.15, 0.3, 1.75, 0.55, 10, 4, 0.9),
        (4, 0.25, 0.3, 2.25, 0.6, 12, 6, 0.85),
        (5, 0.3, 0.3, 1.25, 0.65, 14, 12, 0.8),
    ],
)
def test_snow_is_made_of_streaked_flakes(
    severity: int, mean: float, deviation: float, zoom: float, threshold: float, radius: int, sigma: float, mix: float
) -> None:
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    random = SampleRandom.for_samples("corruption", 0, "snow", severity, sample_ids=[0])
    noise = random.fold("flakes").normal(1, 32, 32)[0, 0].double().numpy() * deviation + mean
    if zoom > 1:
        side = math.ceil(32 / zoom)
        top = (32 - side) // 2
        zoomed = ndimage.zoom(noise[top : top + side, top : top + side], zoom, order=1, mode="nearest")
        trim = (len(zoomed) - 32) // 2
        noise = zoomed[trim : trim + 32, trim : trim + 32]
    flakes = np.floor(255 * np.clip(np.where(noise < threshold, 0, noise), 0, 1))
    angle = random.fold("angle").uniform() * 90 - 135
    streaks = streak(torch.from_numpy(flakes)[None, None].float(), angle, radius, sigma).round()[0, 0].numpy()
    pixels = image / 255
    grey = pixels @ [0.299, 0.587, 0.114]
    white = mix * pixels + (1 - mix) * np.maximum(pixels, grey[..., None] * 1.5 + 0.5)
    expected = np.clip(white * 255 + (streaks + streaks[::-1, ::-1])[..., None], 0, 255).astype(np.uint8)
    difference = np.abs(corrupt(image[None], "snow", severity)[0].astype(int) - expected)
    assert (difference <= 1).mean() > 0.99


@pytest.fixture
def textures(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[torch.Tensor, ...]]:
    random = np.random.default_rng(5)
    pictures = tuple(torch.from_numpy(random.integers(0, 256, (3, 220 + n, 230 - n), dtype=np.uint8)) for n in range(5))
    monkeypatch.setattr(frost_module, "photographs", lambda: pictures)
    frost_module._textures.cache_clear()
    yield pictures
    frost_module._textures.cache_clear()


@pytest.mark.parametrize(
    ("severity", "keep", "add"), [(1, 1, 0.2), (2, 1, 0.3), (3, 0.9, 0.4), (4, 0.85, 0.4), (5, 0.75, 0.45)]
)
def test_frost_adds_a_cut_of_a_thinned_texture(
    textures: tuple[torch.Tensor, ...], severity: int, keep: float, add: float
) -> None:
    images = np.random.default_rng(0).integers(0, 256, (12, 32, 32, 3), dtype=np.uint8)
    used = set()
    for image, found in zip(images, corrupt(images, "frost", severity), strict=True):
        matches = []
        for number, texture in enumerate(textures):
            thin = texture[:, 2::5, 2::5].permute(1, 2, 0).numpy().astype(float)
            for top in range(thin.shape[0] - 32):
                for left in range(thin.shape[1] - 32):
                    levels = np.clip(keep * image + add * thin[top : top + 32, left : left + 32] + 1e-4, 0, 255)
                    if np.abs(levels.astype(int) - found).max() <= 1:
                        matches.append((number, top, left))
        assert len(matches) == 1
        used.add(matches[0])
    assert len(used) > 6


def test_elastic_samples_are_scipys() -> None:
    images = torch.rand(2, 3, 12, 15)
    random = np.random.default_rng(0)
    rows, columns = random.uniform(-8, 20, (2, 2, 12, 15))
    for mirror, mode in (("sample", "mirror"), ("edge", "reflect")):
        found = elastic.sample(images, torch.from_numpy(columns), torch.from_numpy(rows), mirror=mirror)
        for n in range(2):
            for c in range(3):
                expected = ndimage.map_coordinates(
                    images[n, c].double().numpy(), [rows[n], columns[n]], order=1, mode=mode
                )
                np.testing.assert_allclose(found[n, c], expected, atol=2e-5)


def test_elastic_affine_map_sends_the_points_back() -> None:
    random, reach = streams(50), 2.56
    points = np.array([[26, 26], [26, 6], [6, 6]])  # the middle of 32 x 32, and a third of it to either side
    moved = points + (random.uniform(3, 2).numpy().astype(float) * 2 - 1) * reach
    matrix = elastic.inverse_affine(random, 32, 32, reach).numpy()
    back = np.einsum("bij,bkj->bki", matrix[:, :, :2], moved) + matrix[:, None, :, 2]
    np.testing.assert_allclose(back, np.broadcast_to(points, back.shape), atol=1e-9)
    assert np.abs(moved - points).max() <= reach


@pytest.mark.parametrize(
    ("severity", "alpha", "sigma", "affine"), [(1, 0, 0, 2.56), (2, 1.6, 6.4, 2.24), (5, 3.2, 0.96, 0.96)]
)
def test_elastic_displaces_by_a_smoothed_field(severity: int, alpha: float, sigma: float, affine: float) -> None:
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 1), dtype=np.uint8)
    random = SampleRandom.for_samples("corruption", 0, "elastic_transform", severity, sample_ids=[0])
    rows, columns = np.mgrid[:32, :32].astype(float)
    matrix = elastic.inverse_affine(random.fold("affine"), 32, 32, affine)[0].numpy()
    x, y = (line[0] * columns + line[1] * rows + line[2] for line in matrix)
    levels = ndimage.map_coordinates(image[..., 0].astype(float), [y, x], order=1, mode="mirror")
    if alpha:
        noise = random.fold("field").uniform(2, 32, 32)[0].numpy().astype(float) * 2 - 1
        dx, dy = (ndimage.gaussian_filter(n, sigma, mode="reflect", truncate=3) * alpha for n in noise)
        levels = ndimage.map_coordinates(levels, [rows + dy, columns + dx], order=1, mode="reflect")
    found = corrupt(image[None], "elastic_transform", severity)[0, ..., 0]
    assert (np.abs(found.astype(int) - np.floor(levels)) <= 1).mean() > 0.995


@pytest.mark.parametrize(("severity", "threshold", "rim"), [(4, 0.69, 0.6), (5, 0.68, 0.6)])
def test_spattered_mud_covers_where_noise_is_deep(severity: int, threshold: float, rim: float) -> None:
    random = SampleRandom.for_samples("corruption", 0, "spatter", severity, sample_ids=range(8))
    depth = random.normal(32, 32).double().numpy() * 0.1 + 0.65
    sigma = {4: 0.7, 5: 0.5}[severity]
    found = corrupt(flat_images(), "spatter", severity)
    for n in range(8):
        deep = ndimage.gaussian_filter(depth[n], sigma, mode="nearest") > threshold
        cover = ndimage.gaussian_filter(deep.astype(float), rim, mode="nearest")
        cover[cover < 0.8] = 0
        expected = GREY * (1 - cover[..., None]) + cover[..., None] * np.array([63, 42, 20])
        assert (np.abs(found[n] - np.floor(expected + 1e-6)) <= 1).all()


@pytest.mark.parametrize("severity", [1, 2, 3])
def test_spattered_water_lights_drops_up_to_its_strength(severity: int) -> None:
    added = corrupt(flat_images(0), "spatter", severity).astype(float)
    np.testing.assert_allclose(added.max((1, 2)), np.tile(np.floor([87.5, 119, 119]), (8, 1)), atol=1)
    random = SampleRandom.for_samples("corruption", 0, "spatter", severity, sample_ids=range(8))
    mean, deviation, sigma, threshold = {
        1: (0.62, 0.1, 0.7, 0.7),
        2: (0.65, 0.1, 0.8, 0.7),
        3: (0.65, 0.3, 1.0, 0.69),
    }[severity]
    noise = random.normal(32, 32).double().numpy() * deviation + mean
    for n in range(8):
        dry = ndimage.gaussian_filter(noise[n], sigma, mode="nearest") < threshold - 1e-5
        assert not added[n][dry].any()
        assert added[n][~dry].any(axis=-1).mean() > 0.5


def test_chamfer_distance_is_the_shortest_path_of_its_steps() -> None:
    marked = np.random.default_rng(3).random((3, 17, 22)) < 0.02
    marked[2] = False
    found = chamfer_distance(torch.from_numpy(marked)).numpy() / ONE
    for n in range(2):
        for h in range(17):
            for w in range(22):
                costs = []
                for y, x in zip(*np.nonzero(marked[n]), strict=True):
                    near, far = sorted((abs(int(y) - h), abs(int(x) - w)))
                    knights = min(near, far - near)
                    costs.append(2.1969 * knights + 1.4 * (near - knights) + max(0, far - near - knights))
                assert found[n, h, w] == pytest.approx(min(costs), abs=1e-3)
    assert found[2].min() > 1000


def test_canny_finds_the_rim_of_a_square_and_no_weak_edge_alone() -> None:
    images = torch.zeros(2, 16, 16, dtype=torch.int32)
    images[0, 4:12, 4:12] = 200
    images[1, 4:12, 4:12] = 20  # gradients of at most 120, at the corners: above low, never above high
    edges = canny(images, 50, 150)
    assert not edges[1].any()
    rim = torch.zeros(16, 16, dtype=torch.bool)
    rim[3:13, 3:13] = True
    rim[5:11, 5:11] = False
    assert bool((edges[0] <= rim).all())  # on either side of the step, nowhere else
    for line in (edges[0, 7], edges[0, :, 7]):
        assert int(line.sum()) == 2


def test_light_on_drops_is_opencvs() -> None:
    cv2 = pytest.importorskip("cv2")
    random = np.random.default_rng(0)
    for _ in range(20):
        depth = ndimage.gaussian_filter(random.normal(0.65, 0.2, (32, 40)), 1)
        liquid = np.where(depth < 0.69, 0, depth * 255).clip(0, 255).astype(np.uint8)
        rims = cv2.Canny(liquid, 50, 150)
        given = torch.from_numpy(liquid.astype(np.int32))[None]
        np.testing.assert_array_equal(canny(given, 50, 150)[0], rims > 0)
        distance = np.minimum(cv2.distanceTransform(255 - rims, cv2.DIST_L2, 5), 20)
        height = cv2.equalizeHist(cv2.blur(distance, (3, 3)).astype(np.uint8))
        lit = cv2.filter2D(height, cv2.CV_8U, np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]]))
        np.testing.assert_array_equal(light_on_drops(given)[0], cv2.blur(lit, (3, 3)))


def test_canny_follows_weak_edges_from_strong_ones() -> None:
    images = torch.zeros(2, 12, 12, dtype=torch.int32)
    images[:, :, 6:] = 25  # a weak step: magnitude 100
    images[1, :3, 6:] = 200
    weak = canny(images, 50, 150)[:, 6:, 4:8].any(2)
    assert not weak[0].any()
    assert weak[1].all()


def test_equalisation_spreads_levels_by_rank() -> None:
    levels = torch.tensor([[[0, 0, 1, 3]], [[7, 7, 7, 7]]], dtype=torch.int32)
    # the lowest level goes to 0; of the other two pixels half are at 1, all at 3: 127.5, rounded to even, and 255
    assert equalise(levels).tolist() == [[[0, 0, 128, 255]], [[7, 7, 7, 7]]]
