"""images: one form whatever the file holds, rows from 0.1 to 0.9 by stored numbers, and patches of photographs."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_sample_images

from fastrnn import storage
from fastrnn.data import DataError, ImageScaler, as_images, load_images, random_patches, sample_patches

RNG = np.random.default_rng(11)
COLOUR = RNG.integers(0, 256, (7, 5, 4, 3)).astype(np.uint8)  # (N, h, w, 3)
GREY = RNG.integers(0, 256, (7, 5, 4)).astype(np.uint8)
SHARES = np.array([0.2126, 0.7152, 0.0722])
Change = Callable[[np.ndarray], np.ndarray]


def first(images: np.ndarray) -> np.ndarray:
    """Return images with their channels first."""
    return np.ascontiguousarray(np.moveaxis(images, 3, 1))


# One form -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        pytest.param(COLOUR, COLOUR, id="channels-last"),
        pytest.param(first(COLOUR), COLOUR, id="channels-first"),
        pytest.param(GREY, GREY, id="grey"),
        pytest.param(GREY[:, np.newaxis], GREY, id="one-channel-first"),
        pytest.param(GREY[..., np.newaxis], GREY, id="one-channel-last"),
        pytest.param(GREY[:3], GREY[:3], id="three-grey"),
        pytest.param(GREY.astype("i8"), GREY, id="i8"),
        pytest.param(GREY.astype(">u2"), GREY, id="u2"),
        pytest.param(GREY.astype("f4"), GREY, id="floats-to-255"),
        pytest.param(GREY > 99, 255 * (GREY > 99), id="truth-values"),
        pytest.param(GREY / 255, GREY / 255, id="floats-to-1"),
        pytest.param((GREY / 255).astype(">f4"), (GREY / 255).astype("f4"), id="f4"),
    ],
)
def test_one_form(images: np.ndarray, expected: np.ndarray) -> None:
    found = as_images(images)
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == (expected.dtype if expected.dtype.kind == "f" else np.uint8)
    assert found.dtype.isnative


def test_nothing_is_copied_without_need() -> None:
    for images in (COLOUR, first(COLOUR), GREY, GREY / 255):
        assert np.shares_memory(as_images(images), images)


def changed(images: np.ndarray, index: Any, value: float) -> np.ndarray:
    images = images.copy()
    images[index] = value
    return images


LAYOUTS = "expected images (N, 3, h, w), (N, h, w, 3) or (N, h, w)"
RANGES = "expected whole numbers from 0 to 255 or floats from 0 to 1"


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((2, 3, 8, 3)), f"has shape (2, 3, 8, 3), which may have its channels first or last; {LAYOUTS}"),
        (np.zeros((2, 1, 8, 3)), f"has shape (2, 1, 8, 3), which may have its channels first or last; {LAYOUTS}"),
        (np.zeros((2, 8, 8, 4)), f"has shape (2, 8, 8, 4), without an axis of three channels; {LAYOUTS}"),
        (np.zeros((2, 8, 3, 8)), f"has shape (2, 8, 3, 8), without an axis of three channels; {LAYOUTS}"),
        (
            np.zeros((6, 8, 3)),
            f"has shape (6, 8, 3), which may be one colour image without an axis of images; {LAYOUTS}",
        ),
        (np.zeros((6, 8)), f"has shape (6, 8); {LAYOUTS}, each axis at least 1"),
        (np.zeros((0, 8, 8)), f"has shape (0, 8, 8); {LAYOUTS}, each axis at least 1"),
        (GREY * 1j, "has dtype complex128; expected real numbers"),
        (changed(GREY / 255, (4, 2, 1), np.nan), f"holds nan in image 4, row 2, column 1; {RANGES}"),
        (changed(GREY / 255, (4, 2, 1), -0.25), f"holds -0.25 in image 4, row 2, column 1; {RANGES}"),
        (changed(GREY / 1.0, (3, 4, 0), np.inf), f"holds inf in image 3, row 4, column 0; {RANGES}"),
        (changed(GREY / 1.0, (3, 4, 0), 3.5), f"holds 3.5 in image 3, row 4, column 0; {RANGES}"),
        (changed(GREY.astype("i4"), (6, 0, 3), 256), f"holds 256 in image 6, row 0, column 3; {RANGES}"),
        (changed(first(COLOUR).astype("i4"), (6, 2, 1, 3), -1), f"holds -1 in image 6, row 1, column 3; {RANGES}"),
    ],
)
def test_images_that_cannot_be_used(images: np.ndarray, message: str) -> None:
    with pytest.raises(DataError) as caught:
        as_images(images)
    assert str(caught.value) == f"images {message}"


def test_where_the_channels_are_may_be_said():
    images = np.random.default_rng(0).integers(0, 256, (6, 3, 5, 3), dtype=np.uint8)
    np.testing.assert_array_equal(as_images(images, channels="last"), images)
    np.testing.assert_array_equal(as_images(images, channels="first"), images.transpose(0, 2, 3, 1))
    scaler = ImageScaler.of(images, "first")
    assert scaler.shape == (5, 3)
    expected = ImageScaler.of(images.transpose(0, 2, 3, 1), "last").transform(
        images.transpose(0, 2, 3, 1), channels="last"
    )
    np.testing.assert_array_equal(scaler.transform(images, channels="first"), expected)


# Files ----------------------------------------------------------------------------------------------------------------


def write(path: Path, **arrays: np.ndarray) -> Path:
    if path.suffix == ".npz":
        np.savez(path, **arrays)
    elif path.suffix == ".npy":
        (array,) = arrays.values()
        np.save(path, array)
    else:
        with h5py.File(path, "w") as file:
            for name, array in arrays.items():
                file[name] = array
    return path


@pytest.mark.parametrize("suffix", [".h5", ".hdf5", ".npz", ".npy"])
def test_the_only_array_of_a_file(suffix: str, tmp_path: Path) -> None:
    found = load_images(write(tmp_path / f"a{suffix}", patches=first(COLOUR)))
    np.testing.assert_array_equal(found, COLOUR)


@pytest.mark.parametrize("suffix", [".h5", ".npz"])
def test_names_of_arrays(suffix: str, tmp_path: Path) -> None:
    path = write(tmp_path / f"a{suffix}", data=COLOUR, other=GREY)
    np.testing.assert_array_equal(load_images(path), COLOUR)
    np.testing.assert_array_equal(load_images(path, "other"), GREY)
    with pytest.raises(DataError, match=rf"a\{suffix}: has no 'patches'; it has 'data', 'other'$"):
        load_images(path, "patches")
    with pytest.raises(DataError, match=rf"a\{suffix}: has no 'data'; it has 'a', 'b'$"):
        load_images(write(path, a=COLOUR, b=GREY))


def test_a_matrix_is_taken_as_it_is(tmp_path: Path) -> None:
    matrix = RNG.normal(size=(6, 3)).astype(">f4")
    found = load_images(write(tmp_path / "a.npy", x=matrix))
    assert found.dtype == np.dtype("=f4")
    np.testing.assert_array_equal(found, matrix)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (changed(np.ones((4, 6)), (2, 5), np.nan), "holds nan in row 2, column 5; expected finite numbers"),
        (np.ones((4, 6), complex), "has dtype complex128; expected real numbers"),
        (np.ones((4, 0)), "has shape (4, 0); expected rows (N, F), each axis at least 1"),
        (np.ones(4), f"has shape (4,); {LAYOUTS}, each axis at least 1"),
        (np.full((2, 4, 4), 0.5) - 1, f"holds -0.5 in image 0, row 0, column 0; {RANGES}"),
    ],
)
def test_errors_name_the_file_and_the_array(array: np.ndarray, message: str, tmp_path: Path) -> None:
    path = write(tmp_path / "a.h5", data=array)
    with pytest.raises(DataError) as caught:
        load_images(path)
    assert str(caught.value) == f"{path}: 'data' {message}"


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a\.csv: unknown file type '.csv'; expected .h5, .hdf5, .npz or .npy$"):
        load_images(tmp_path / "a.csv")
    for name in ("a.npy", "a.npz", "a.h5"):
        with pytest.raises(DataError, match=rf"{name}: there is no such file$"):
            load_images(tmp_path / name)
        (tmp_path / name).write_bytes(b"none of these")
        with pytest.raises(DataError, match=rf"{name}: cannot be read: "):
            load_images(tmp_path / name)
    np.save(tmp_path / "a.npy", np.array([{}]), allow_pickle=True)
    with pytest.raises(DataError, match=r"a\.npy: cannot be read: Object arrays cannot be loaded"):
        load_images(tmp_path / "a.npy")


# Rows -----------------------------------------------------------------------------------------------------------------


def expected_rows(images: np.ndarray, training: np.ndarray) -> np.ndarray:
    """Return rows by the words of the definition, images in 0 ... 1, channels last."""

    def centred(x: np.ndarray) -> np.ndarray:
        rows = (x @ SHARES if x.ndim == 4 else x).reshape(len(x), -1)
        return rows - rows.mean(axis=1, keepdims=True)

    limit = 3 * np.std(centred(training))
    return 0.1 + 0.8 * (np.clip(centred(images), -limit, limit) + limit) / (2 * limit)


def test_rows_by_hand() -> None:
    # Means 0.5 and 0.25, what is left of them +-0.5 and 0, hence a variance of 0.125 over all eight pixels.
    images = np.array([[[0.0, 1.0], [1.0, 0.0]], [[0.25, 0.25], [0.25, 0.25]]])
    scaler = ImageScaler.of(images)
    assert scaler.shape == (2, 2)
    assert scaler.deviation == pytest.approx(np.sqrt(0.125), rel=1e-15)
    step = 0.4 * 0.5 / (3 * np.sqrt(0.125))
    expected = [[0.5 - step, 0.5 + step, 0.5 + step, 0.5 - step], [0.5] * 4]
    np.testing.assert_allclose(scaler.transform(images, np.float64), expected, rtol=1e-15)


@pytest.mark.parametrize("images", [COLOUR, GREY], ids=["colour", "grey"])
def test_rows_follow_the_definition(images: np.ndarray) -> None:
    rows = ImageScaler.of(images).transform(images, np.float64)
    assert rows.shape == (7, 20)
    np.testing.assert_allclose(rows, expected_rows(images / 255, images / 255), rtol=1e-13)
    single = ImageScaler.of(images).transform(images)
    assert single.dtype == np.float32
    np.testing.assert_array_equal(single, rows.astype(np.float32))


def test_luminosity_of_pure_colours() -> None:
    """Red, green and blue squares on black differ by their shares alone."""
    images = np.zeros((3, 2, 2, 3), np.uint8)
    for channel in range(3):
        images[channel, 0, 0, channel] = 255
    rows = ImageScaler((2, 2), 1.0).transform(images, np.float64)
    np.testing.assert_allclose(rows[:, 0], 0.5 + 0.4 / 3 * 0.75 * SHARES, rtol=1e-14)


@pytest.mark.parametrize(
    ("change", "tolerance"),
    [
        pytest.param(first, 0, id="channels-first"),
        pytest.param(lambda x: x.astype("i8"), 0, id="integers"),
        pytest.param(lambda x: x.astype("f4"), 0, id="floats-to-255"),
        pytest.param(lambda x: x / 255, 1e-14, id="floats-to-1"),
        pytest.param(lambda x: (x / 255).astype("f4"), 1e-6, id="f4"),
        pytest.param(lambda x: first(x / 255), 1e-14, id="floats-channels-first"),
    ],
)
def test_the_same_picture_gives_the_same_rows(change: Change, tolerance: float) -> None:
    scaler, other = ImageScaler.of(COLOUR), ImageScaler.of(change(COLOUR))
    assert other.deviation == pytest.approx(scaler.deviation, rel=tolerance, abs=0)
    rows = scaler.transform(COLOUR, np.float64)
    np.testing.assert_allclose(scaler.transform(change(COLOUR), np.float64), rows, rtol=tolerance, atol=0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_clipping_ends_at_three_deviations_exactly(dtype: Any) -> None:
    images = np.full((50, 8, 8), 0.5)
    images[:, 0, 0], images[0, 0, 1], images[1, 0, 1] = 0.52, 1.0, 0.0
    scaler = ImageScaler.of(images)
    rows = scaler.transform(images, dtype)
    assert rows.min() == rows[1, 1] == dtype(0.1)
    assert rows.max() == rows[0, 1] == dtype(0.9)
    centred = images.reshape(50, 64) - images.reshape(50, 64).mean(axis=1, keepdims=True)
    beyond = np.abs(centred) > 3 * scaler.deviation
    assert 2 <= beyond.sum() < beyond.size
    np.testing.assert_array_equal((rows == dtype(0.1)) | (rows == dtype(0.9)), beyond)


def test_new_images_are_scaled_by_the_stored_numbers(tmp_path: Path) -> None:
    scaler = ImageScaler.of(COLOUR)
    storage.write(tmp_path / "model.h5", {"images": scaler.to_tree()})
    restored = ImageScaler.from_tree(storage.read(tmp_path / "model.h5")["images"])
    assert restored == scaler
    faint = (COLOUR[:2] // 8) + np.uint8(60)
    rows = restored.transform(faint, np.float64)
    np.testing.assert_allclose(rows, expected_rows(faint / 255, COLOUR / 255), rtol=1e-13)
    assert np.ptp(rows) < 0.2 < np.ptp(ImageScaler.of(faint).transform(faint))
    np.testing.assert_array_equal(restored.transform(COLOUR[3:4]), restored.transform(COLOUR)[3:4])


def test_parts_are_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    scaler = ImageScaler.of(COLOUR)
    rows = scaler.transform(COLOUR)
    monkeypatch.setattr("fastrnn.data.image_scaler._PART", 3 * 5 * 4)  # parts of 3, 3 and 1 images
    parted = ImageScaler.of(COLOUR)
    assert parted.deviation == pytest.approx(scaler.deviation, rel=1e-14)
    np.testing.assert_array_equal(scaler.transform(COLOUR), rows)


def test_images_given_stay_as_they_are() -> None:
    images = GREY / 255
    before = images.copy()
    ImageScaler.of(images).transform(images, np.float64)
    np.testing.assert_array_equal(images, before)


def test_inverse_gives_the_luminosity_back() -> None:
    images = RNG.uniform(0.3, 0.7, (6, 5, 4))  # uniform: nothing lies beyond 3 deviations
    scaler = ImageScaler.of(images)
    rows = scaler.transform(images, np.float64)
    means = images.mean(axis=(1, 2))
    np.testing.assert_allclose(scaler.inverse_transform(rows, means), images, rtol=1e-13)
    shifted = images - means[:, np.newaxis, np.newaxis] + 0.5
    np.testing.assert_allclose(scaler.inverse_transform(rows), shifted, rtol=1e-13)
    assert scaler.inverse_transform(rows.astype("f4")).dtype == np.float32


def test_scaler_refuses() -> None:
    plain = np.broadcast_to(RNG.random((7, 1, 1, 3)), COLOUR.shape)
    with pytest.raises(DataError, match=r"^each of the 7 images has a single colour; expected images with contrast$"):
        ImageScaler.of(plain)
    scaler = ImageScaler.of(COLOUR)
    with pytest.raises(DataError, match=r"^images are 4 x 5 pixels; expected 5 x 4, as in training$"):
        scaler.transform(COLOUR.swapaxes(1, 2))
    with pytest.raises(DataError, match=r"^rows has shape \(2, 21\); expected \(N, 20\) for 5 x 4 pixels$"):
        scaler.inverse_transform(np.zeros((2, 21)))


@pytest.mark.parametrize(
    "tree",
    [
        {},
        {"shape": [5, 4]},
        {"shape": [5], "deviation": 0.1},
        {"shape": [5, 0], "deviation": 0.1},
        {"shape": None, "deviation": 0.1},
        {"shape": [5, 4], "deviation": 0.0},
        {"shape": [5, 4], "deviation": float("nan")},
        {"shape": [5, 4], "deviation": "wide"},
    ],
)
def test_trees_that_describe_no_scaler(tree: dict[str, Any]) -> None:
    with pytest.raises(DataError, match=r"expected a shape of two sizes and a deviation above 0$"):
        ImageScaler.from_tree(tree)


def test_natural_images(data_folder: Path) -> None:
    images = load_images(data_folder / "data1.h5")
    assert images.shape == (10240, 16, 16, 3)
    with h5py.File(data_folder / "data1.h5") as file:
        np.testing.assert_array_equal(images[5, 2, 7], file["data"][5, :, 2, 7])
    rows = ImageScaler.of(images).transform(images)
    assert (rows.min(), rows.max()) == (np.float32(0.1), np.float32(0.9))
    np.testing.assert_allclose(rows[:50], expected_rows(images[:50] / 255, images / 255), rtol=1e-6)


# Patches --------------------------------------------------------------------------------------------------------------


def coordinates(height: int, width: int, number: int) -> np.ndarray:
    """Return a photograph whose pixels say where they are: row, column, number."""
    rows, columns = np.indices((height, width), dtype=np.uint8)
    return np.stack([rows, columns, np.full_like(rows, number)], axis=2)


def check_patches(patches: np.ndarray, sizes: list[tuple[int, int]], size: int) -> np.ndarray:
    """Check that each is a whole window of a photograph; return number, top and left of each."""
    corners = patches[:, 0, 0].astype(int)
    down, across = np.indices((size, size))
    for patch, (top, left, number) in zip(patches, corners, strict=True):
        np.testing.assert_array_equal(patch[..., 0], top + down)
        np.testing.assert_array_equal(patch[..., 1], left + across)
        assert (patch[..., 2] == number).all()
        assert number < len(sizes)
    return corners[:, [2, 0, 1]]


SIZES = [(9, 20), (12, 6), (5, 5)]


def test_patches_are_windows_at_every_place() -> None:
    photographs = [coordinates(height, width, i) for i, (height, width) in enumerate(SIZES)]
    patches = random_patches(photographs, size=5, n=3000, seed=4)
    assert patches.shape == (3000, 5, 5, 3)
    assert patches.dtype == np.uint8
    corners = check_patches(patches, SIZES, 5)
    for i, (height, width) in enumerate(SIZES):
        tops, lefts = corners[corners[:, 0] == i, 1:].T
        assert set(tops) == set(range(height - 4))
        assert set(lefts) == set(range(width - 4))
        assert 900 < len(tops) < 1100
    assert len(set(corners[:20, 0])) > 1  # not sorted by photograph


def test_the_seed_decides() -> None:
    photographs = [coordinates(30, 40, 0)]
    a, b, c = (random_patches(photographs, 4, 50, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(a, b)
    assert (a != c).any()


def test_photographs_of_a_folder(tmp_path: Path) -> None:
    for i, (height, width) in enumerate(SIZES):
        Image.fromarray(coordinates(height, width, i)).save(tmp_path / f"{i}.PNG")
    (tmp_path / "notes.txt").write_text("no photograph")
    (tmp_path / "folder.png").mkdir()
    patches = random_patches(tmp_path, size=5, n=200, seed=4)
    arrays = [coordinates(height, width, i) for i, (height, width) in enumerate(SIZES)]
    np.testing.assert_array_equal(patches, random_patches(arrays, size=5, n=200, seed=4))
    np.testing.assert_array_equal(patches, random_patches(str(tmp_path), size=5, n=200, seed=4))


def test_grey_and_turned_photographs_of_a_folder(tmp_path: Path) -> None:
    picture = np.arange(24, dtype=np.uint8).reshape(4, 6)
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: the top of the picture is the right side of the file
    Image.fromarray(picture).save(tmp_path / "a.png", exif=exif)
    upright = np.rot90(picture, -1)
    patches = random_patches(tmp_path, size=4, n=40)
    assert {tuple(patch[..., 0].ravel()) for patch in patches} == {tuple(upright[i : i + 4].ravel()) for i in range(3)}
    np.testing.assert_array_equal(patches, patches[..., :1].repeat(3, axis=3))


@pytest.mark.parametrize("layout", ["first", "last", "grey", "floats"])
def test_layouts_of_photographs(layout: str) -> None:
    photograph = RNG.integers(2, 256, (8, 9, 3)).astype(np.uint8)
    given = {
        "first": np.moveaxis(photograph, 2, 0),
        "last": photograph,
        "grey": photograph[..., 0],
        "floats": photograph / 255,
    }[layout]
    expected = {"grey": photograph[..., 0], "floats": photograph / 255}.get(layout, photograph)
    patches = random_patches([given], size=8, n=30)
    assert patches.dtype == expected.dtype
    windows = [expected[:, left : left + 8].tobytes() for left in range(2)]
    assert {patch.tobytes() for patch in patches} == set(windows)


def test_patches_of_the_sample_photographs() -> None:
    patches = sample_patches(n=50)
    assert patches.shape == (50, 16, 16, 3)
    np.testing.assert_array_equal(patches, random_patches(load_sample_images().images, 16, 50, 0))


def test_folders_that_cannot_be_used(tmp_path: Path) -> None:
    def message() -> str:
        with pytest.raises(DataError) as caught:
            random_patches(tmp_path / "photos", size=6)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    folder = tmp_path / "photos"
    assert message() == f"{folder}: there is no such folder"
    folder.mkdir()
    assert message().startswith(f"{folder}: has no photographs; expected files that end in .bmp, ")
    Image.fromarray(coordinates(9, 9, 0)).save(folder / "a.png")
    Image.fromarray(coordinates(7, 5, 0)).save(folder / "b.png")
    assert message() == f"{folder / 'b.png'}: is 5 x 7 pixels; expected at least 6 x 6, the size of a patch"
    (folder / "b.png").write_bytes(b"no image")
    assert message().startswith(f"{folder / 'b.png'}: cannot be read: ")
    Image.fromarray(np.zeros((9, 9), np.uint16)).save(folder / "b.png")
    assert message() == f"{folder / 'b.png'}: has pixels of mode 'I;16'; expected 8 bits per channel"
    data = (folder / "a.png").read_bytes()
    (folder / "b.png").write_bytes(data[: len(data) // 2])
    assert message().startswith(f"{folder / 'b.png'}: cannot be read: ")


@pytest.mark.parametrize(
    ("photographs", "message"),
    [
        ([], "there are no photographs; expected at least one"),
        ([COLOUR[0], COLOUR[0, :4]], "photograph 0: is 4 x 5 pixels; expected at least 5 x 5, the size of a patch"),
        (
            [np.zeros((9, 9)), COLOUR[0].repeat(2, 1)],
            "photograph 1 is uint8 and in colour; expected float64 and grey, like photograph 0",
        ),
        ([np.full((9, 9), -1.0)], f"photograph 0 holds -1.0 in image 0, row 0, column 0; {RANGES}"),
    ],
)
def test_photographs_that_cannot_be_used(photographs: list[np.ndarray], message: str) -> None:
    with pytest.raises(DataError) as caught:
        random_patches(photographs, size=5)
    assert str(caught.value) == message


def test_sizes_and_numbers_are_checked() -> None:
    with pytest.raises(ValueError, match=r"^size is 0, expected at least 1$"):
        sample_patches(size=0)
    with pytest.raises(TypeError, match=r"^n is 2.5, expected a whole number$"):
        random_patches([COLOUR[0]], 2, 2.5)  # type: ignore[arg-type]
