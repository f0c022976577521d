"""The insightface encoder: parity with FaceAnalysis called by hand, on a synthetic pack and on a real one."""

import hashlib
import warnings

import numpy as np
import pytest

from metrics.encoders.catalogue import EncoderUnavailable, load_encoder
from metrics.encoders.faces import load_insightface
from metrics.identity import pair_similarity
from metrics.measurement import Subject

# A pack without anyone's weights: "faces" are red squares of 64, 128 or 256 pixels (in the detector's 640 x 640 input)
# on black, and the blue pattern on them is who they are. With red and blue swapped it sees no face at all.

STRIDES = (8, 16, 32)
SIDE_PER_STRIDE = 8
TEMPLATE = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)


def constant(name, value, dtype=np.float32):
    from onnx import numpy_helper

    return numpy_helper.from_array(np.array(value, dtype=dtype), name)


def save_network(path, nodes, image, outputs, constants):
    from onnx import helper, save

    graph = helper.make_graph(nodes, path.stem, [image], outputs, constants)
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def write_detector(path):
    """Score: mean redness of the window minus that of one twice as wide, so only squares of the window's size count."""
    from onnx import TensorProto, helper

    constants = [
        constant("redness", np.reshape([0.5, -0.25, -0.25], (1, 3, 1, 1))),
        constant("column", [-1, 1], np.int64),
    ]
    nodes = [helper.make_node("Conv", ["input.1", "redness"], ["red"])]
    for stride in STRIDES:
        side, s = stride * SIDE_PER_STRIDE, str(stride)
        for window, width in (("inner", side), ("outer", 2 * side)):
            before, after = width // 2, width // 2 - stride
            pooling = {"kernel_shape": [width] * 2, "strides": [stride] * 2, "pads": [before] * 2 + [after] * 2}
            nodes.append(helper.make_node("AveragePool", ["red"], [window + s], **pooling, count_include_pad=1))
        landmarks = (TEMPLATE - 56) / 112 * SIDE_PER_STRIDE
        constants.append(constant("half" + s, 0.5))
        nodes += [
            helper.make_node("Sub", ["inner" + s, "outer" + s], ["anchor" + s]),
            helper.make_node("Mul", ["anchor" + s, "half" + s], ["weak" + s]),
            helper.make_node("Concat", ["anchor" + s, "weak" + s], ["anchors" + s], axis=1),
            helper.make_node("Transpose", ["anchors" + s], ["last" + s], perm=[0, 2, 3, 1]),
            helper.make_node("Reshape", ["last" + s, "column"], ["score" + s]),
        ]
        for name, values in (("box", np.full(4, SIDE_PER_STRIDE / 2)), ("points", landmarks.ravel())):
            constants += [constant(f"no_{name}{s}", 0 * values[None]), constant(f"{name}_of{s}", values[None])]
            nodes += [
                helper.make_node("Mul", ["score" + s, f"no_{name}{s}"], [f"flat_{name}{s}"]),
                helper.make_node("Add", [f"flat_{name}{s}", f"{name}_of{s}"], [name + s]),
            ]
    outputs = [
        helper.make_tensor_value_info(f"{name}{stride}", TensorProto.FLOAT, [f"n{stride}", width])
        for name, width in (("score", 1), ("box", 4), ("points", 10))
        for stride in STRIDES
    ]
    image = helper.make_tensor_value_info("input.1", TensorProto.FLOAT, [1, 3, "h", "w"])
    save_network(path, nodes, image, outputs, constants)


def write_recogniser(path):
    """The blue channel in 7 x 7 cells, turned by a fixed random matrix into 64 numbers."""
    from onnx import TensorProto, helper

    constants = [
        constant("blueness", np.reshape([0, 0, 1], (1, 3, 1, 1))),
        constant("black", [1]),
        constant("weights", np.random.default_rng(20260722).normal(size=(49, 64))),
    ]
    nodes = [
        helper.make_node("Conv", ["crop", "blueness", "black"], ["blue"]),
        helper.make_node("AveragePool", ["blue"], ["cells"], kernel_shape=[16, 16], strides=[16, 16]),
        helper.make_node("Flatten", ["cells"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weights"], ["embedding"]),
    ]
    crop = helper.make_tensor_value_info("crop", TensorProto.FLOAT, [1, 3, 112, 112])
    embedding = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, [1, 64])
    save_network(path, nodes, crop, [embedding], constants)


def canvas():
    return np.zeros((640, 640, 3), dtype=np.uint8)


def draw_face(image, centre, side, person, red=255):
    """Draw a red square whose blue 7 x 7 pattern is that of ``person``."""
    x, y = centre[0] - side // 2, centre[1] - side // 2
    pattern = np.random.default_rng(person).integers(0, 2, size=(7, 7)) * 90
    square = image[y : y + side, x : x + side]
    cells = np.minimum(np.arange(side) * 7 // side, 6)
    square[:, :, 0] = red
    square[:, :, 2] = pattern[np.ix_(cells, cells)]
    return image


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    folder = tmp_path_factory.mktemp("home") / "models" / "squares"
    folder.mkdir(parents=True)
    write_detector(folder / "det.onnx")
    write_recogniser(folder / "rec.onnx")
    return folder


@pytest.fixture(scope="module")
def squares(pack):
    return load_insightface(str(pack), "cpu")


def pair(first, second):
    return Subject(("a", "b"), ({}, {}), ({"faces": first}, {"faces": second}))


class TestInsightfaceOnASyntheticPack:
    def test_detector_sees_the_image_at_640_pixels_only_and_boxes_are_in_the_images_own(self, squares):
        image = draw_face(np.zeros((960, 1280, 3), dtype=np.uint8), (512, 384), 256, person=1)
        ((face,),) = squares.encode([image])
        assert face["box"] == pytest.approx([384, 256, 640, 512], abs=4)
        # At 128 pixels, which the library would try as well by default, this square is of a size that is found.
        assert squares.encode([draw_face(canvas(), (320, 320), 600, person=1)]) == [[]]

    def test_takes_rgb_and_hands_the_library_bgr(self, squares):
        image = draw_face(canvas(), (320, 320), 128, person=1)
        found, swapped = squares.encode([image, image[:, :, ::-1]])
        assert len(found) == 1
        assert swapped == []

    def test_finds_each_square_at_its_place_and_equals_face_analysis_called_by_hand(self, squares, pack):
        image = draw_face(draw_face(canvas(), (320, 384), 256, person=1), (96, 96), 64, person=2)
        assert_equals_face_analysis(squares, pack, [image])
        ((face, smaller),) = squares.encode([image])
        assert face["box"] == pytest.approx([192, 256, 448, 512], abs=1e-3)
        assert smaller["box"] == pytest.approx([64, 64, 128, 128], abs=1e-3)
        assert np.linalg.norm(face["embedding"]) == pytest.approx(1, abs=1e-6)
        assert face["embedding"].shape == (64,)
        assert face["distance"] == "cosine"

    def test_main_face_is_the_largest_not_the_surest(self, squares):
        protagonist = draw_face(canvas(), (320, 384), 256, person=1)
        with_bystander = draw_face(draw_face(canvas(), (320, 384), 256, person=1, red=210), (96, 96), 64, person=2)
        stranger = draw_face(canvas(), (320, 384), 256, person=2)
        alone, crowd, other = squares.encode([protagonist, with_bystander, stranger])
        assert crowd[1]["score"] > crowd[0]["score"]
        kept, swapped = pair_similarity([pair(alone, crowd), pair(alone, other)])
        assert kept.value > 0.99
        assert swapped.value < kept.value - 0.2

    def test_batch_changes_nothing_and_slivers_have_no_face(self, squares):
        images = [draw_face(canvas(), (320, 320), 128, person=person) for person in range(3)]
        slivers = [np.zeros(shape, dtype=np.uint8) for shape in ((1, 1000, 3), (1300, 2, 3), (1, 1, 3))]
        *found, first, second, third = squares.encode([*images, *slivers])
        assert first == second == third == []
        for image, (face,) in zip(images, found, strict=True):
            ((alone,),) = squares.encode([image])
            assert np.array_equal(face["embedding"], alone["embedding"])

    def test_is_quiet_about_the_known_deprecation_and_only_about_that(self, pack, capfd):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            encoder = load_insightface(str(pack), "cpu")
            encoder.encode([draw_face(canvas(), (320, 320), 128, person=1)])
            with pytest.raises(FutureWarning, match="another"):
                warnings.warn("another", FutureWarning, stacklevel=1)
        assert capfd.readouterr() == ("", "")

    def test_records_name_licence_detector_size_and_the_hash_of_the_files_used(self, squares, pack):
        assert squares.name == "insightface:squares"
        assert "non-commercial" in squares.licence
        assert "det_size=640x640" in squares.version
        hashes = [hashlib.sha256((pack / name).read_bytes()).hexdigest() for name in ("det.onnx", "rec.onnx")]
        assert squares.weights_sha256 == hashlib.sha256("".join(hashes).encode()).hexdigest()

    def test_pack_is_found_by_name_in_insightface_home(self, pack, squares, monkeypatch):
        monkeypatch.setenv("INSIGHTFACE_HOME", str(pack.parents[1]))
        assert load_encoder("insightface:squares", "cpu").weights_sha256 == squares.weights_sha256


@pytest.mark.usefixtures("no_network")
class TestInsightfacePackThatCannotBeUsed:
    def test_missing_and_badly_unpacked_packs_say_where_the_files_go(self, monkeypatch, tmp_path, pack):
        monkeypatch.setenv("INSIGHTFACE_HOME", str(tmp_path))
        with pytest.raises(EncoderUnavailable, match=r"no insightface pack 'buffalo_l': put .*non-commercial"):
            load_insightface("buffalo_l", "cpu")
        assert list(tmp_path.iterdir()) == []
        nested = tmp_path / "models" / "buffalo_l" / "buffalo_l"
        nested.mkdir(parents=True)
        (nested / "det.onnx").symlink_to(pack / "det.onnx")
        with pytest.raises(EncoderUnavailable, match=r"holds no \.onnx files: put them directly into that folder"):
            load_insightface("buffalo_l", "cpu")

    @pytest.mark.parametrize(
        ("file", "content", "reason"),
        [
            ("det.onnx", b"", "damaged"),
            ("det.onnx", b"version https://git-lfs.github.com/spec/v1\n", "damaged"),
            ("manifest.json", b'{"manifest_version": 2}', "damaged"),
            ("det.onnx", None, "no face recogniser"),
            ("rec.onnx", None, "no face detector"),
        ],
    )
    def test_damaged_and_incomplete_packs_are_unavailable(self, tmp_path, pack, file, content, reason):
        (tmp_path / file).write_bytes((pack / file).read_bytes() if content is None else content)
        with pytest.raises(EncoderUnavailable, match=reason):
            load_insightface(str(tmp_path), "cpu")


def assert_equals_face_analysis(encoder, folder, images):
    from insightface.app import FaceAnalysis

    analysis = FaceAnalysis(
        name=str(folder), allowed_modules=["detection", "recognition"], providers=["CPUExecutionProvider"]
    )
    analysis.prepare(ctx_id=-1, det_size=(640, 640))
    counts = []
    for image, faces in zip(images, encoder.encode(images), strict=True):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            by_hand = analysis.get(np.ascontiguousarray(image[:, :, ::-1]))
        by_hand.sort(key=lambda face: -(face.bbox[2] - face.bbox[0]) * (face.bbox[3] - face.bbox[1]))
        counts.append(len(by_hand))
        for face, expected in zip(faces, by_hand, strict=True):
            assert face["box"] == pytest.approx(expected.bbox.tolist(), abs=1e-4)
            assert face["score"] == pytest.approx(float(expected.det_score), abs=1e-6)
            assert face["embedding"] == pytest.approx(expected.normed_embedding, abs=1e-6)
    return counts


def test_a_real_pack_equals_face_analysis_by_hand_and_counts_the_known_faces(shared, photographs, six_people):
    folder = shared("models/insightface/models/scrfd_mobilefacenet")
    encoder = load_insightface(str(folder), "cpu")
    assert assert_equals_face_analysis(encoder, folder, [photographs[0], six_people, photographs[2]]) == [1, 6, 0]
