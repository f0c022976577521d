"""LPIPS, the learned perceptual distance (Zhang et al. 2018): between two images, and of an edit outside its mask."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt

from metrics.encoders.catalogue import EncoderUnavailable, Image
from metrics.encoders.edits import EDIT_PIXELS, Edit, align
from metrics.encoders.runtime import threads
from metrics.encoders.weights import find_weights, sha256_of

LPIPS_MAX_PIXELS = 1_500_000
"""Larger pictures are reduced to this many pixels, so that a 4K pair needs no gigabytes; no 1K format is touched."""

LPIPS_MIN_SIDE = 64
"""Shorter sides are enlarged to this, the patch size that LPIPS was fitted on; the network divides by zero below 31."""


class EditDistance(TypedDict):
    """The feature ``edit_lpips``: the LPIPS that change outside the mask leads to.

    ``distance`` is the mean over the whole frame, to which the inside of the mask adds nothing; None without a mask
    or where nothing lies outside it. ``mask_share`` is the share of pixels that may change.
    """

    distance: float | None
    mask_share: float | None
    resized: bool
    shift: list[int]
    aligned: bool


class LpipsEncoder:
    """The learned perceptual distance, from an ONNX file that holds backbone and heads: of pairs and of edits."""

    licence = "BSD-2-Clause"
    version = (
        "1: bicubic up to a 64 px side, area down to 1.5 megapixels; "
        f"edits: {EDIT_PIXELS.version}, inside of the mask taken from the source"
    )

    def __init__(self, name: str, weights_sha256: str, session: Any) -> None:
        self.name = name
        self.weights_sha256 = weights_sha256
        self._session = session

    def encode(self, batch: Sequence[tuple[Image, Image] | Edit]) -> list[float | EditDistance | None]:
        """Return the LPIPS distance of each pair of images, and the `EditDistance` of each edit.

        Equal images are 0 apart, a pair of two sizes has no distance (None). Of an edit, LPIPS compares the source with
        the output in which everything inside the mask is the source's again, so that a change the mask allows has no
        part in it, and the network sees natural pictures rather than black holes.
        """
        # One at a time: pictures differ in size, and a value must not depend on its batch.
        return [self._of_pair(*each) if len(each) == 2 else self._of_edit(*each) for each in batch]

    def _of_edit(self, source: Image, output: Image, mask: Image | None) -> EditDistance:
        edit = align(source, output, mask)
        distance = None
        if edit.inside is not None and not edit.inside.all():
            distance = self._of_pair(edit.source, np.where(edit.inside[:, :, None], edit.source, edit.output))
        return EditDistance(
            distance=distance,
            mask_share=None if edit.inside is None else float(edit.inside.mean()),
            resized=edit.resized,
            shift=list(edit.shift),
            aligned=edit.aligned,
        )

    def _of_pair(self, first: Image, second: Image) -> float | None:
        if first.shape != second.shape:
            return None
        (distance,) = self._session.run(["distance"], {"img0": lpips_input(first), "img1": lpips_input(second)})
        return float(np.ravel(distance)[0])


def lpips_input(image: Image) -> npt.NDArray[np.float32]:
    """Return the image as LPIPS takes it: float32 RGB in -1..1 of shape (1, 3, height, width).

    Pictures of more than 1.5 megapixels are reduced to that (area averaging) and sides under 64 pixels are enlarged
    (bicubic); LPIPS depends on the scale, so values of larger pictures are those of their reduction.

    Examples
    --------
    >>> white = lpips_input(np.full((64, 96, 3), 255, np.uint8))
    >>> white.shape, float(white.min())
    ((1, 3, 64, 96), 1.0)
    >>> lpips_input(np.zeros((3000, 4000, 3), np.uint8)).shape
    (1, 3, 1061, 1414)
    """
    import cv2

    height, width = image.shape[:2]
    scale = min(1.0, (LPIPS_MAX_PIXELS / (height * width)) ** 0.5)
    size = max(LPIPS_MIN_SIDE, round(width * scale)), max(LPIPS_MIN_SIDE, round(height * scale))
    if size != (width, height):
        resized = cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
        image = np.asarray(resized, np.uint8)
    return np.ascontiguousarray((image.astype(np.float32) / 127.5 - 1).transpose(2, 0, 1)[None])


def load_lpips(model: str, device: str) -> LpipsEncoder:
    """Load LPIPS from an ONNX file.

    ``model`` is ``alex`` for the file ``lpips_alex.onnx`` of the weights folder (any other plain name likewise), or the
    path of an ONNX file with inputs ``img0``, ``img1`` (float32 [b, 3, height, width] in -1..1) and output
    ``distance``. ``device`` is ``cpu``, or ``auto`` and ``cuda`` for the GPU where onnxruntime has one. Raises
    EncoderUnavailable if there is no such file, or it is not such a network.
    """
    path = _lpips_file(model)
    try:
        import onnxruntime
        from onnxruntime.capi import onnxruntime_pybind11_state as failures
    except ImportError:
        raise EncoderUnavailable("LPIPS needs onnxruntime: pip install onnxruntime") from None
    providers = ["CPUExecutionProvider"] if device == "cpu" else ["CUDAExecutionProvider", "CPUExecutionProvider"]
    available = onnxruntime.get_available_providers()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads()
    try:
        session = onnxruntime.InferenceSession(
            path, options, providers=[name for name in providers if name in available]
        )
    except (failures.InvalidProtobuf, failures.InvalidGraph, failures.Fail, failures.NotImplemented) as failure:
        raise EncoderUnavailable(f"{path} is not an ONNX network that onnxruntime can load: {failure}") from failure
    inputs = {node.name for node in session.get_inputs()}
    outputs = {node.name for node in session.get_outputs()}
    if inputs != {"img0", "img1"} or "distance" not in outputs:
        raise EncoderUnavailable(
            f"{path} is no LPIPS network: it must take img0 and img1 and give distance, "
            f"but takes {', '.join(sorted(inputs))} and gives {', '.join(sorted(outputs))}"
        )
    # A score table travels; the folders of this machine do not.
    return LpipsEncoder(f"lpips:{path.name if model.endswith('.onnx') else model}", sha256_of(path), session)


def _lpips_file(model: str) -> Path:
    if model.endswith(".onnx"):
        file = Path(model).expanduser()
        if not file.is_file():
            raise EncoderUnavailable(f"there is no LPIPS file at {file}: give the path of an ONNX file")
        return file
    path = find_weights(f"lpips_{model}.onnx")
    if path is None:
        raise EncoderUnavailable(
            f"LPIPS weights are not on this machine: put lpips_{model}.onnx into the folder that TWINLENS_WEIGHTS "
            "names (default ~/.cache/twinlens/weights), or give the path of an ONNX file as lpips:FILE.onnx"
        )
    return path
