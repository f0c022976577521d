"""Precision editing: does an edit do what was asked, and does it leave the rest of the picture alone?

An edit has a source (the first reference picture), an output, an instruction, and often a mask of what may change. A
mask comes here in black and white, and white may change. Preservation is measured outside the mask and needs one; what
was done is measured in the space of an image and a text encoder and needs none. Neither says enough alone: the unedited
source preserves everything and follows nothing, an unrelated picture may follow and preserves nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from metrics.adherence import prompt_adherence
from metrics.encoders.dual import EmbeddedPrompt, text_vector
from metrics.encoders.edits import EditDifference, RegionDifference
from metrics.encoders.lpips import EditDistance
from metrics.measurement import Measurement, Subject, measured_one_by_one, scored, unscored
from metrics.reproducibility import peak_signal_to_noise_ratio

FloatArray = npt.NDArray[np.floating]

NEUTRAL_TEXT = "a picture"
"""What stands for the source where it has no caption: a text that is true of every picture."""

NO_OP_MAE = 4.0
"""Levels of 255. Saving a photograph as JPEG of quality 85 with halved chroma costs 2.3 to 3.4."""

NO_OP_LOCAL_MAE = 12.0
"""Levels of 255 over the worst 32 x 32 window; the same JPEG costs 5 to 10."""

NO_CHANGE = 1e-3
"""Two unit vectors closer than this show the encoder one picture; batches alone move them by up to 2e-4."""


def direction_texts(row: Mapping[str, Any]) -> tuple[str, str]:
    """Return the texts that stand for the picture before and after the edit.

    With both ``source_caption`` and ``caption`` these are the two. Otherwise the picture before is "a picture", and
    after is what the row says of the result: its caption, else the instruction itself.

    Examples
    --------
    >>> direction_texts({"source_caption": "a red car", "caption": "a blue car", "prompt": "Paint the car blue."})
    ('a red car', 'a blue car')
    >>> direction_texts({"prompt": "Paint the car blue."})
    ('a picture', 'Paint the car blue.')
    """
    caption, source_caption = _text(row, "caption"), _text(row, "source_caption")
    if caption and source_caption:
        return source_caption, caption
    return NEUTRAL_TEXT, caption or str(row["prompt"])


def _text(row: Mapping[str, Any], column: str) -> str:
    return (row.get(column) or "").strip()


def _origin(row: Mapping[str, Any]) -> str:
    if not _text(row, "caption"):
        return "instruction"
    return "captions" if _text(row, "source_caption") else "caption"


def direction_similarity(
    source_image: FloatArray, output_image: FloatArray, source_text: FloatArray, target_text: FloatArray
) -> float | None:
    r"""Return 100 x the cosine between the change of the picture and the change of the text.

    .. math:: 100 \cdot \cos(E_{I'} - E_I,\ E_{T'} - E_T)

    The directional similarity of StyleGAN-NADA (Gal et al. 2021) that Emu Edit (Sheynin et al. 2023) measures edits by.
    It favours large changes and looks at the whole picture, so it is read beside what was preserved. All four are unit
    vectors of shape (d,) from one encoder. The result is in -100..100, higher is better; 0 for a picture that has not
    changed, which has no direction; None if the texts are the same.

    Examples
    --------
    >>> before, after = np.array([1.0, 0.0, 0.0]), np.array([0.8, 0.6, 0.0])
    >>> from_text, to_text = np.array([0.0, 0.0, 1.0]), np.array([0.0, 0.5**0.5, 0.5**0.5])
    >>> round(direction_similarity(before, after, from_text, to_text), 5)
    87.64691
    """
    step = _step(source_text, target_text)
    if not np.linalg.norm(step) > NO_CHANGE:
        return None
    change = _step(source_image, output_image)
    if not np.linalg.norm(change) > NO_CHANGE:
        return 0.0
    cosine = float(change @ step / (np.linalg.norm(change) * np.linalg.norm(step)))
    return 100 * max(-1.0, min(1.0, cosine))


def _step(before: FloatArray, after: FloatArray) -> npt.NDArray[np.float64]:
    return np.asarray(after, np.float64) - np.asarray(before, np.float64)


def is_no_op(edit: EditDifference) -> bool:
    """Tell whether an editor handed its source back: no more changed than saving the picture again would change.

    That is: the mean difference of the whole picture is below 4 levels, that of every 32 x 32 window below 12, and so
    is that of the inside of the mask where there is one. The last two find an edit that is small in its picture.
    """
    inside = edit["inside"]
    local = max(edit["local_mae"], inside["mae"] if inside else 0.0)
    return edit["whole"]["mae"] < NO_OP_MAE and local < NO_OP_LOCAL_MAE


@measured_one_by_one
def preserved_ssim(subject: Subject) -> Measurement:
    """Measure ``editing.preserved``: the structural similarity to the source outside the mask, -1..1.

    The SSIM map (Wang et al. 2004) averaged over the outside eroded by 5 pixels, where no window looks inside.
    ``details`` carries ``mask_share``, ``resized``, ``shift`` and ``aligned``. Reasons: ``no_source``;
    ``no_mask``; ``mask_covers_all`` where no window fits outside; ``image_too_small``.
    """
    return _outside(subject, lambda outside: outside["ssim"])


@measured_one_by_one
def preserved_psnr(subject: Subject) -> Measurement:
    """Measure ``editing.preserved_psnr``: peak signal-to-noise ratio over the pixels outside the mask, dB, at most 100.

    The error is averaged over outside pixels alone; setting the inside to zero and averaging over the frame, as
    PIE-Bench does, flatters by ``10 log10(1 / (1 - mask share))``. Details and reasons as in `preserved_ssim`.
    """
    return _outside(subject, lambda outside: peak_signal_to_noise_ratio(outside["mse"]))


@measured_one_by_one
def changed_outside(subject: Subject) -> Measurement:
    """Measure ``editing.changed_outside``: the share of pixels outside the mask that changed, by over 10 of 255 levels.

    Details and reasons as in `preserved_ssim`.
    """
    return _outside(subject, lambda outside: outside["changed"])


def _outside(subject: Subject, statistic: Callable[[RegionDifference], float | None]) -> Measurement:
    edit: EditDifference | None = subject.context.get("edit_difference")
    if edit is None:
        return unscored(subject, "no_source")
    if edit["mask_share"] is None:
        return unscored(subject, "no_mask")
    if edit["outside"] is None:
        return unscored(subject, "mask_covers_all", mask_share=edit["mask_share"])
    value = statistic(edit["outside"])
    if value is None:
        reason = "mask_covers_all" if edit["whole"]["ssim"] is not None else "image_too_small"
        return unscored(subject, reason, mask_share=edit["mask_share"])
    return scored(subject, value, **_comparison(edit))


def _comparison(edit: EditDifference | EditDistance) -> dict[str, Any]:
    return {name: edit[name] for name in ("mask_share", "resized", "shift", "aligned")}


@measured_one_by_one
def preserved_lpips(subject: Subject) -> Measurement:
    """Measure ``editing.preserved_lpips``: the learned perceptual distance outside the mask (Zhang et al. 2018).

    LPIPS between the source and the output with the source's pixels put back inside the mask, divided by the share
    of the frame that lies outside: LPIPS is a mean over the frame, and the inside, where the two agree, would
    otherwise make a large mask look like good preservation. ``details`` as in `preserved_ssim`, and ``frame_distance``,
    the undivided distance. Reasons: ``no_source``, ``no_mask``, ``mask_covers_all``.
    """
    edit: EditDistance | None = subject.context.get("edit_lpips")
    if edit is None:
        return unscored(subject, "no_source")
    share, distance = edit["mask_share"], edit["distance"]
    if share is None:
        return unscored(subject, "no_mask")
    if distance is None:
        return unscored(subject, "mask_covers_all", mask_share=share)
    return scored(subject, distance / (1 - share), frame_distance=distance, **_comparison(edit))


@measured_one_by_one
def changed_inside(subject: Subject) -> Measurement:
    """Measure ``editing.changed_inside``: the share of pixels inside the mask that changed, by over 10 of 255 levels.

    It describes and does not judge: an edit must change something, but a recoloured button needs few levels and
    noise changes every pixel. ``details`` adds ``mean_difference`` (levels of 255) to those of `preserved_ssim`.
    Reasons: ``no_source``, ``no_mask``, ``mask_is_empty``.
    """
    edit: EditDifference | None = subject.context.get("edit_difference")
    if edit is None:
        return unscored(subject, "no_source")
    if edit["mask_share"] is None:
        return unscored(subject, "no_mask")
    inside = edit["inside"]
    if inside is None:
        return unscored(subject, "mask_is_empty")
    return scored(subject, inside["changed"], mean_difference=inside["mae"], **_comparison(edit))


@measured_one_by_one
def no_op(subject: Subject) -> Measurement:
    """Measure ``editing.no_op``: 1 if the editor handed its source back (see `is_no_op`), else 0; needs no mask.

    Its mean is the share of edits that did nothing. ``details`` carries what it rests on: ``mean_difference`` and
    ``local_difference`` in levels of 255, and those of `preserved_ssim`. Reason: ``no_source``.
    """
    edit: EditDifference | None = subject.context.get("edit_difference")
    if edit is None:
        return unscored(subject, "no_source")
    differences = {"mean_difference": edit["whole"]["mae"], "local_difference": edit["local_mae"]}
    return scored(subject, float(is_no_op(edit)), **differences, **_comparison(edit))


@measured_one_by_one
def image_similarity(subject: Subject) -> Measurement:
    """Measure ``editing.similarity``: 100 x the cosine between source and output, CLIP-I of MagicBrush and Emu Edit.

    It describes: 100 is the unedited source, and how much lower an edit should come out depends on what was asked.
    Reason: ``no_source``.
    """
    source = _source_vector(subject)
    if source is None:
        return unscored(subject, "no_source")
    return scored(subject, prompt_adherence(subject.images[0]["clip_image"], source[None]))


@measured_one_by_one
def edit_direction(subject: Subject) -> Measurement:
    """Measure ``editing.direction``: whether the picture changed the way the text did (see `direction_similarity`).

    Needs the features ``clip_image`` of output and source, and ``texts``: the embedded texts of `direction_texts`. A
    text of several clauses counts as their mean, put back to unit length. ``details`` carries ``text`` (``captions``,
    ``caption`` or ``instruction``: what the direction of the text was made of), ``n_chunks`` (clauses of the text after
    the edit) and ``no_op`` (whether the encoder saw no change, which scores 0). Reasons: ``no_source``; ``texts_agree``
    where the text names no change.
    """
    source = _source_vector(subject)
    if source is None:
        return unscored(subject, "no_source")
    output: FloatArray = subject.images[0]["clip_image"]
    before, after = (subject.context["texts"][text] for text in direction_texts(subject.rows[0]))
    value = direction_similarity(source, output, text_vector(before), text_vector(after))
    if value is None:
        return unscored(subject, "texts_agree")
    unchanged = bool(np.linalg.norm(_step(source, output)) <= NO_CHANGE)
    return scored(subject, value, text=_origin(subject.rows[0]), n_chunks=len(after["chunks"]), no_op=unchanged)


@measured_one_by_one
def instruction_gain(subject: Subject) -> Measurement:
    r"""Measure ``editing.follows``: how much closer than its source the output is to the text after the edit.

    .. math:: s(I', T') - s(I, T')

    with :math:`s` as in `metrics.adherence.prompt_adherence` and :math:`T'` the second of `direction_texts`. An
    unedited source gains 0. ``details`` carries ``text`` as in `edit_direction`, ``output`` and ``source`` (the two
    similarities) and ``n_chunks``. Reason: ``no_source``.
    """
    source = _source_vector(subject)
    if source is None:
        return unscored(subject, "no_source")
    target: EmbeddedPrompt = subject.context["texts"][direction_texts(subject.rows[0])[1]]
    after = prompt_adherence(subject.images[0]["clip_image"], target["chunks"])
    before = prompt_adherence(source, target["chunks"])
    facts = {"text": _origin(subject.rows[0]), "n_chunks": len(target["chunks"])}
    return scored(subject, after - before, output=after, source=before, **facts)


def _source_vector(subject: Subject) -> FloatArray | None:
    references = subject.context.get("references") or ()
    return references[0]["clip_image"] if references else None
