"""The insightface encoder: parity with FaceAnalysis called by hand, on a synthetic pack and on a real one."""

import hashlib
import importlib.util
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


def write_detector(path):
    """Score: mean redness of the window minus that of one twice as wide, so only squares of the window's size count."""
    from onnx import TensorProto, helper, numpy_helper, save

    def constant(name, value):
        return numpy_helper.from_array(np.array(value, dtype=np.float32), name)

    constants = [
        constant("redness", np.reshape([0.5, -0.25, -0.25], (1, 3, 1, 1))),
        numpy_helper.from_array(np.array([-1, 1]), "column"),
    ]
    nodes = [helper.make_node("Conv", ["input.1", "redness"], ["red"])]
    for stride in STRIDES:
        side, s = stride * SIDE_PER_STRIDE, str(stride)
        for window, width in (("inner", side), ("outer", 2 * side)):
            pads = [width // 2, width // 2, width // 2 - stride, width // 2 - stride]
            nodes.append(
                helper.make_node(
                    "AveragePool",
                    ["red"],
                    [window + s],
                    kernel_shape=[width, width],
                    strides=[stride, stride],
                    pads=pads,
                    count_include_pad=1,
                )
            )
        landmarks = (TEMPLATE - 56) / 112 * SIDE_PER_STRIDE
        constants += [
            constant("no_box" + s, np.zeros((1, 4))),
            constant("box_of" + s, np.full((1, 4), SIDE_PER_STRIDE / 2)),
            constant("no_points" + s, np.zeros((1, 10))),
            constant("points_of" + s, landmarks.reshape(1, 10)),
            constant("half" + s, 0.5),
        ]
        nodes += [
            helper.make_node("Sub", ["inner" + s, "outer" + s], ["anchor" + s]),
            helper.make_node("Mul", ["anchor" + s, "half" + s], ["weak" + s]),
            helper.make_node("Concat", ["anchor" + s, "weak" + s], ["anchors" + s], axis=1),
            helper.make_node("Transpose", ["anchors" + s], ["last" + s], perm=[0, 2, 3, 1]),
            helper.make_node("Reshape", ["last" + s, "column"], ["score" + s]),
            helper.make_node("Mul", ["score" + s, "no_box" + s], ["flat_box" + s]),
            helper.make_node("Add", ["flat_box" + s, "box_of" + s], ["box" + s]),
            helper.make_node("Mul", ["score" + s, "no_points" + s], ["flat_points" + s]),
            helper.make_node("Add", ["flat_points" + s, "points_of" + s], ["points" + s]),
        ]
    outputs = [
        helper.make_tensor_value_info(f"{name}{stride}", TensorProto.FLOAT, [f"n{stride}", width])
        for name, width in (("score", 1), ("box", 4), ("points", 10))
        for stride in STRIDES
    ]
    image = helper.make_tensor_value_info("input.1", TensorProto.FLOAT, [1, 3, "h", "w"])
    graph = helper.make_graph(nodes, "detector", [image], outputs, constants)
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def write_recogniser(path):
    """The blue channel in 7 x 7 cells, turned by a fixed random matrix into 64 numbers."""
    from onnx import TensorProto, helper, numpy_helper, save

    weights = np.random.default_rng(20260722).normal(size=(49, 64)).astype(np.float32)
    constants = [
        numpy_helper.from_array(np.array([0, 0, 1], dtype=np.float32).reshape(1, 3, 1, 1), "blueness"),
        numpy_helper.from_array(np.ones(1, dtype=np.float32), "black"),
        numpy_helper.from_array(weights, "weights"),
    ]
    nodes = [
        helper.make_node("Conv", ["crop", "blueness", "black"], ["blue"]),
        helper.make_node("AveragePool", ["blue"], ["cells"], kernel_shape=[16, 16], strides=[16, 16]),
        helper.make_node("Flatten", ["cells"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weights"], ["embedding"]),
    ]
    crop = helper.make_tensor_value_info("crop", TensorProto.FLOAT, [1, 3, 112, 112])
    embedding = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, [1, 64])
    graph = helper.make_graph(nodes, "recogniser", [crop], [embedding], constants)
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


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
    def test_finds_each_square_at_its_place(self, squares):
        image = draw_face(draw_face(canvas(), (320, 384), 256, person=1), (96, 96), 64, person=2)
        (faces,) = squares.encode([image])
        assert [face["box"] for face in faces] == [
            pytest.approx([192, 256, 448, 512], abs=1e-3),
            pytest.approx([64, 64, 128, 128], abs=1e-3),
        ]

    def test_boxes_are_in_pixels_of_the_decoded_image_whatever_its_size(self, squares):
        image = draw_face(np.zeros((960, 1280, 3), dtype=np.uint8), (512, 384), 256, person=1)
        ((face,),) = squares.encode([image])
        assert face["box"] == pytest.approx([384, 256, 640, 512], abs=4)

    def test_detector_sees_the_image_at_640_pixels_only(self, squares):
        # At 128 pixels, which the library would try as well by default, this square is of a size that is found.
        assert squares.encode([draw_face(canvas(), (320, 320), 600, person=1)]) == [[]]

    def test_takes_rgb_and_hands_the_library_bgr(self, squares):
        image = draw_face(canvas(), (320, 320), 128, person=1)
        found, swapped = squares.encode([image, image[:, :, ::-1]])
        assert len(found) == 1
        assert swapped == []

    def test_library_receives_swapped_channels_in_one_piece_of_memory(self, pack):
        encoder = load_insightface(str(pack), "cpu")
        received = []

        class Stub:
            def get(self, image):
                received.append(image)
                return []

        encoder._analysis = Stub()
        image = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
        encoder.encode([image])
        assert np.array_equal(received[0][:, :, 0], image[:, :, 2])
        assert np.array_equal(received[0][:, :, 2], image[:, :, 0])
        assert received[0].flags.c_contiguous

    def test_equals_face_analysis_called_by_hand(self, squares, pack):
        image = draw_face(draw_face(canvas(), (320, 384), 256, person=1), (96, 96), 64, person=2)
        assert_equals_face_analysis(squares, pack, [image])

    def test_embeddings_are_unit_length_and_compared_by_cosine(self, squares):
        ((face,),) = squares.encode([draw_face(canvas(), (320, 320), 128, person=1)])
        assert np.linalg.norm(face["embedding"]) == pytest.approx(1, abs=1e-6)
        assert face["embedding"].shape == (64,)
        assert face["distance"] == "cosine"

    def test_main_face_is_the_largest_not_the_surest(self, squares):
        protagonist = draw_face(canvas(), (320, 384), 256, person=1)
        with_bystander = draw_face(draw_face(canvas(), (320, 384), 256, person=1, red=210), (96, 96), 64, person=2)
        alone, crowd = squares.encode([protagonist, with_bystander])
        assert crowd[1]["score"] > crowd[0]["score"]
        (measurement,) = pair_similarity([pair(alone, crowd)])
        assert measurement.value > 0.99

    def test_another_person_in_the_shot_lowers_similarity(self, squares):
        images = [draw_face(canvas(), (320, 320), 128, person=person) for person in (1, 1, 2)]
        first, same, other = squares.encode(images)
        kept, swapped = pair_similarity([pair(first, same), pair(first, other)])
        assert swapped.value < kept.value - 0.2

    def test_batch_changes_nothing(self, squares):
        images = [draw_face(canvas(), (320, 320), 128, person=person) for person in range(3)]
        for image, (face,) in zip(images, squares.encode(images), strict=True):
            ((alone,),) = squares.encode([image])
            assert np.array_equal(face["embedding"], alone["embedding"])

    def test_slivers_have_no_face(self, squares):
        slivers = [np.zeros(shape, dtype=np.uint8) for shape in ((1, 1000, 3), (1300, 2, 3), (1, 1, 3))]
        assert squares.encode(slivers) == [[], [], []]

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
    @pytest.fixture
    def home(self, monkeypatch, tmp_path):
        monkeypatch.setenv("INSIGHTFACE_HOME", str(tmp_path))
        return tmp_path

    def test_missing_pack_says_where_to_put_it_and_its_licence(self, home):
        with pytest.raises(EncoderUnavailable, match=r"no insightface pack 'buffalo_l': put .*non-commercial"):
            load_insightface("buffalo_l", "cpu")
        assert list(home.iterdir()) == []

    def test_empty_pack_is_unavailable_not_an_assertion(self, home):
        (home / "models" / "buffalo_l").mkdir(parents=True)
        with pytest.raises(EncoderUnavailable, match=r"holds no \.onnx files"):
            load_insightface("buffalo_l", "cpu")

    def test_pack_that_was_unpacked_a_level_too_deep_says_so(self, home, pack):
        nested = home / "models" / "antelopev2" / "antelopev2"
        nested.mkdir(parents=True)
        (nested / "det.onnx").symlink_to(pack / "det.onnx")
        with pytest.raises(EncoderUnavailable, match=r"directly into that folder, not into one inside it"):
            load_insightface("antelopev2", "cpu")

    @pytest.mark.parametrize(
        ("file", "content"),
        [
            ("det.onnx", b""),
            ("det.onnx", b"version https://git-lfs.github.com/spec/v1\n"),
            ("manifest.json", b'{"manifest_version": 2}'),
        ],
    )
    def test_damaged_file_is_unavailable(self, tmp_path, file, content):
        (tmp_path / file).write_bytes(content)
        with pytest.raises(EncoderUnavailable, match=r"damaged"):
            load_insightface(str(tmp_path), "cpu")

    @pytest.mark.parametrize(("present", "lacking"), [("det", "recogniser"), ("rec", "detector")])
    def test_incomplete_pack_says_what_it_lacks(self, tmp_path, pack, present, lacking):
        (tmp_path / f"{present}.onnx").symlink_to(pack / f"{present}.onnx")
        with pytest.raises(EncoderUnavailable, match=f"no face {lacking}"):
            load_insightface(str(tmp_path), "cpu")

    def test_missing_library_says_what_to_install(self, monkeypatch):
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
        with pytest.raises(EncoderUnavailable, match=r"pip install insightface"):
            load_insightface("buffalo_l", "cpu")


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


class TestInsightfaceOnARealPack:
    def test_equals_face_analysis_by_hand_and_counts_the_known_faces(self, shared):
        import insightface.data
        import skimage.data

        t1 = np.ascontiguousarray(insightface.data.get_image("t1", use_cache=False)[:, :, ::-1])
        folder = shared("models/insightface/models/scrfd_mobilefacenet")
        encoder = load_insightface(str(folder), "cpu")
        images = [skimage.data.astronaut(), t1, skimage.data.coffee()]
        assert assert_equals_face_analysis(encoder, folder, images) == [1, 6, 0]
