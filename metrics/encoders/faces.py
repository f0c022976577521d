"""Face encoders: every face of an image with its box, its embedding and the hash of its crop (dlib, insightface)."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import warnings
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, TypedDict

import numpy as np
import numpy.typing as npt

from metrics.encoders.catalogue import EncoderUnavailable, Image, library_of
from metrics.encoders.pixels import perceptual_hash
from metrics.encoders.processes import Processes
from metrics.encoders.weights import insightface_home, sha256_of

Distance = Literal["cosine", "euclidean"]


class Face(TypedDict):
    """One face of an image.

    ``box`` is ``[x0, y0, x1, y1]`` in pixels of the decoded image, as the detector gives it (it may reach over the
    edge); ``score`` the detector's own; ``embedding`` float32 of shape (d,), of unit length where ``distance`` is
    ``cosine`` and raw where it is ``euclidean``; ``crop_phash`` the 64-bit perceptual hash of the widened crop, as
    16 hex digits.
    """

    box: list[float]
    score: float
    embedding: npt.NDArray[np.float32]
    distance: Distance
    crop_phash: str


CROP_WIDENING = 0.25
"""How much wider and higher than its box a face's crop is; hair and chin belong to a copied face."""

DET_SIZE = (640, 640)
"""insightface's detector input. Its default merges two sizes, and embeddings depend on it through the landmarks."""

DET_THRESHOLD = 0.5

UPSAMPLED_PIXELS_AT_MOST = 4096 * 4096
"""dlib's second pass doubles both sides; beyond this it costs gigabytes to look for faces of under 2 % of the side."""


def load_dlib(model: str, device: str) -> DlibFaces:
    """Load dlib's HOG detector, 5-point landmarks and ResNet descriptor (128-d), always on the CPU.

    Of the package ``face_recognition_models`` only the public-domain files are opened; the 68-point predictor beside
    them was trained on data that excludes commercial use. The package itself is never imported. ``resnet_v1`` is the
    only ``model``; ``device`` is accepted for the common signature, as the wheels of dlib have no GPU code. Raises
    EncoderUnavailable if the model is unknown, dlib or ``face_recognition_models`` is not installed, or its files are
    damaged.
    """
    if model != "resnet_v1":
        raise EncoderUnavailable(f"dlib has no face model {model!r}: use dlib:resnet_v1")
    package = importlib.util.find_spec("face_recognition_models")
    if importlib.util.find_spec("dlib") is None or package is None or not package.submodule_search_locations:
        raise EncoderUnavailable(
            "dlib's face encoder is not installed: run pip install dlib-bin face_recognition_models"
        )
    folder = Path(package.submodule_search_locations[0]) / "models"
    landmarks = folder / "shape_predictor_5_face_landmarks.dat"
    descriptor = folder / "dlib_face_recognition_resnet_model_v1.dat"
    for file in (landmarks, descriptor):
        if not file.is_file():
            raise EncoderUnavailable(
                f"face_recognition_models lacks {file.name}: run pip install --force-reinstall face_recognition_models"
            )
    return DlibFaces(landmarks, descriptor)


class DlibFaces:
    """dlib's face recognition with the 5-point landmarks (King 2017; LFW 99.38 % at Euclidean distance 0.6).

    Embeddings are raw: their norms lie around 1.4 and their cosines say nothing, so faces are compared by Euclidean
    distance. The detector runs at the image's own size, and once more at twice the size if it found nothing.
    """

    name = "dlib:resnet_v1"
    version = "1:hog=up0,up1"

    def __init__(self, landmarks: Path, descriptor: Path) -> None:
        self.licence = library_of(self.name).licence
        self.weights_sha256 = sha256_of(descriptor, landmarks)
        # dlib holds the interpreter's lock for all of a picture.
        self._faces = Processes(_dlib_faces, landmarks, descriptor)

    def load(self) -> None:
        """Start the first process, which otherwise happens when it is first needed."""
        self._faces.load()

    def encode(self, images: Sequence[Image]) -> list[list[Face]]:
        """Return the faces of each image, largest box first; an empty list where none is found."""
        return [self._faces(np.ascontiguousarray(image)) for image in images]


def _dlib_faces(landmarks_file: Path, descriptor_file: Path) -> Callable[[Image], list[Face]]:
    """Load dlib's models, and return the function that finds the faces of an image by them."""
    import dlib

    try:
        detector = dlib.get_frontal_face_detector()
        landmarks = dlib.shape_predictor(str(landmarks_file))
        descriptor = dlib.face_recognition_model_v1(str(descriptor_file))
    except RuntimeError as error:
        raise EncoderUnavailable(
            "the files of face_recognition_models are damaged: "
            "run pip install --force-reinstall face_recognition_models"
        ) from error

    def find(image: Image) -> list[Face]:
        boxes, scores, _ = detector.run(image, 0, 0.0)
        if not boxes and image.shape[0] * image.shape[1] <= UPSAMPLED_PIXELS_AT_MOST:
            boxes, scores, _ = detector.run(image, 1, 0.0)
        faces = []
        for box, score in zip(boxes, scores, strict=True):
            embedding = descriptor.compute_face_descriptor(image, landmarks(image, box))
            corners = [float(side) for side in (box.left(), box.top(), box.right(), box.bottom())]
            faces.append(_face(image, corners, score, np.array(embedding, dtype=np.float32), "euclidean"))
        return _largest_first(faces)

    return find


def load_insightface(model: str, device: str) -> InsightFaces:
    """Load an insightface pack: a detector (SCRFD) and a recogniser (ArcFace family). Nothing is ever downloaded.

    ``model`` is the name of a pack under ``$INSIGHTFACE_HOME/models`` (``~/.insightface/models`` if unset), or a
    folder. ``device`` ``cpu`` runs on the CPU; anything else on CUDA where the installed onnxruntime offers it, else on
    the CPU. Raises EncoderUnavailable if insightface is not installed, or the pack is missing, empty, damaged or lacks
    a detector with landmarks or a recogniser.
    """
    if importlib.util.find_spec("insightface") is None:
        raise EncoderUnavailable("insightface is not installed: run pip install insightface onnxruntime")
    return InsightFaces(_pack_folder(model), device)


class InsightFaces:
    """An insightface pack behind ``FaceAnalysis``: unit-length embeddings, compared by cosine (Deng et al. 2019).

    The library wants BGR, so channels are swapped on the way in. Packs are for non-commercial research only.
    """

    def __init__(self, folder: Path, device: str) -> None:
        self.name = f"insightface:{folder.name}"
        self.licence = library_of(self.name).licence
        self._analysis = _face_analysis(folder, device)
        files = sorted(Path(part.model_file) for part in self._analysis.models.values())
        self.weights_sha256 = sha256_of(*files)
        width, height = self._analysis.det_model.input_size
        self.version = f"1:det_size={width}x{height},det_thresh={DET_THRESHOLD}"

    def encode(self, images: Sequence[Image]) -> list[list[Face]]:
        """Return the faces of each image, largest box first; an empty list where none is found."""
        return [self._faces(image) for image in images]

    def _faces(self, image: Image) -> list[Face]:
        # The detector scales the longer side to its input; a sliver's other side would vanish and crash the resize.
        if max(image.shape[:2]) > max(DET_SIZE) * min(image.shape[:2]):
            return []
        faces = self._analysis.get(np.ascontiguousarray(image[:, :, ::-1]))
        return _largest_first(
            _face(image, [float(side) for side in face.bbox], face.det_score, face.normed_embedding, "cosine")
            for face in faces
        )


def _pack_folder(model: str) -> Path:
    home = insightface_home()
    folder = next((place for place in (home / "models" / model, Path(model).expanduser()) if place.is_dir()), None)
    if folder is None:
        raise EncoderUnavailable(
            f"there is no insightface pack {model!r}: put its .onnx files into {home / 'models' / model} "
            "(non-commercial research only), or name a folder that holds them"
        )
    if not any(folder.glob("*.onnx")) and not (folder / "manifest.json").is_file():
        raise EncoderUnavailable(
            f"the insightface pack {folder} holds no .onnx files: put them directly into that folder, "
            "not into one inside it"
        )
    return folder.resolve()


def _face_analysis(folder: Path, device: str) -> Any:
    # insightface and onnxruntime announce themselves on stdout, which belongs to the command's own output.
    with contextlib.redirect_stdout(io.StringIO()):
        import onnxruntime
        from insightface.app import FaceAnalysis
        from onnxruntime.capi import onnxruntime_pybind11_state as runtime

        # For the whole process: filters are no thread's own, and pictures are encoded in several.
        warnings.filterwarnings("ignore", r"`estimate` is deprecated", FutureWarning, r"insightface\.")
        on_cuda = device != "cpu" and "CUDAExecutionProvider" in onnxruntime.get_available_providers()
        broken_model = (runtime.Fail, runtime.InvalidArgument, runtime.InvalidGraph, runtime.InvalidProtobuf)
        try:
            analysis = FaceAnalysis(
                name=str(folder),
                allowed_modules=["detection", "recognition"],
                providers=[*(["CUDAExecutionProvider"] if on_cuda else []), "CPUExecutionProvider"],
            )
            analysis.prepare(ctx_id=0 if on_cuda else -1, det_thresh=DET_THRESHOLD, det_size=DET_SIZE)
        except AssertionError as error:
            raise EncoderUnavailable(f"the insightface pack {folder} has no face detector: complete it") from error
        except (*broken_model, OSError, RuntimeError, TypeError, ValueError) as error:
            raise EncoderUnavailable(f"the insightface pack {folder} is damaged, get it again: {error}") from error
    if "recognition" not in analysis.models:
        raise EncoderUnavailable(f"the insightface pack {folder} has no face recogniser: complete it")
    if not analysis.det_model.use_kps:
        raise EncoderUnavailable(f"the detector of the insightface pack {folder} gives no landmarks: use another pack")
    return analysis


def _face(image: Image, box: list[float], score: float, embedding: npt.NDArray[np.float32], distance: Distance) -> Face:
    return Face(
        box=box,
        score=float(score),
        embedding=np.asarray(embedding, dtype=np.float32),
        distance=distance,
        crop_phash=perceptual_hash(_widened_crop(image, box)),
    )


def _largest_first(faces: Iterable[Face]) -> list[Face]:
    def area(face: Face) -> float:
        x0, y0, x1, y1 = face["box"]
        return (x1 - x0) * (y1 - y0)

    # Ties go by the box, so the order never hangs on the detector's.
    return sorted(faces, key=lambda face: (-area(face), face["box"]))


def _widened_crop(image: Image, box: Sequence[float]) -> Image:
    height, width = image.shape[:2]
    x0, y0, x1, y1 = box
    more_x, more_y = (x1 - x0) * CROP_WIDENING / 2, (y1 - y0) * CROP_WIDENING / 2
    left, top = int(np.clip(x0 - more_x, 0, width - 1)), int(np.clip(y0 - more_y, 0, height - 1))
    right, bottom = int(np.clip(x1 + more_x, left + 1, width)), int(np.clip(y1 + more_y, top + 1, height))
    return image[top:bottom, left:right]
