"""What Google's generateContent lets in: field by field, as the service's JSON parser and image models do."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal, TypeAlias

from evals.facts.pricing import SIZES
from evals.generation.simulated.host import Format, Order, SimulatedModel
from evals.generation.simulated.references import decoded, size_if_picture

Surface: TypeAlias = Literal["google", "vertex"]

PIXELS_AT_1K: Mapping[str, tuple[int, int]] = {
    "1:1": (1024, 1024),
    "2:3": (848, 1264),
    "3:2": (1264, 848),
    "3:4": (896, 1200),
    "4:3": (1200, 896),
    "4:5": (928, 1152),
    "5:4": (1152, 928),
    "9:16": (768, 1376),
    "16:9": (1376, 768),
    "21:9": (1584, 672),
    "1:4": (512, 2048),
    "4:1": (2048, 512),
    "1:8": (384, 3072),
    "8:1": (3072, 384),
}
"""Width and height by aspect ratio; other sizes are these, scaled."""

_PLAIN_RATIOS = 10
_TALL_RATIO_MODELS = ("gemini-3.1-flash-image", "gemini-nano-banana-2.1")
_LEAST_SIDE = 16
_LARGEST_REQUEST = 20 * 2**20
_LARGEST_FILE_ON_VERTEX = 7 * 2**20
_MIME_TYPES = ("image/png", "image/jpeg", "image/webp", "image/heic", "image/heif")

_Fields: TypeAlias = Mapping[str, Any]
_PART: _Fields = {
    "text": None,
    "thought": None,
    "thoughtSignature": None,
    "inlineData": {"mimeType": None, "data": None, "displayName": None},
    "fileData": {"mimeType": None, "fileUri": None, "displayName": None},
}
_CONTENT: _Fields = {"role": None, "parts": _PART}
_SHARED: _Fields = {
    "contents": _CONTENT,
    "systemInstruction": _CONTENT,
    "safetySettings": {"category": None, "threshold": None, "method": None},
    "tools": {"googleSearch": {}},
    "toolConfig": None,
    "cachedContent": None,
}
_SAMPLING = ("seed", "temperature", "topP", "topK", "candidateCount", "maxOutputTokens", "stopSequences")
_CONFIG: _Fields = {
    **dict.fromkeys(_SAMPLING),
    "responseModalities": None,
    "responseMimeType": None,
    "mediaResolution": None,
    "thinkingConfig": {"includeThoughts": None, "thinkingLevel": None, "thinkingBudget": None},
}
_IMAGE: _Fields = {"aspectRatio": None, "imageSize": None}
_IMAGE_ON_VERTEX: _Fields = {
    **_IMAGE,
    "personGeneration": None,
    "prominentPeople": None,
    "imageOutputOptions": {"mimeType": None, "compressionQuality": None},
}
_BODY: Mapping[Surface, _Fields] = {
    "google": {**_SHARED, "generationConfig": {**_CONFIG, "imageConfig": _IMAGE}, "serviceTier": None, "store": None},
    "vertex": {**_SHARED, "generationConfig": {**_CONFIG, "imageConfig": _IMAGE_ON_VERTEX}, "labels": None},
}


class InvalidArgument(ValueError):
    """The service would answer 400 INVALID_ARGUMENT with this message."""


def read_request(content: bytes, model: SimulatedModel, surface: Surface) -> Order:
    """Return what the body of a generateContent request asks for; text or thoughts beside the picture are left out.

    Raises
    ------
    InvalidArgument
        If the service would turn it away.
    """
    if surface == "google" and len(content) > _LARGEST_REQUEST:
        raise InvalidArgument(f"Request payload size exceeds the limit: {_LARGEST_REQUEST} bytes.")
    try:
        body = json.loads(content)
    except ValueError:
        raise InvalidArgument("Invalid JSON payload received. Unexpected token.") from None
    body = _checked(body, _BODY[surface], "")
    prompt, references = _contents(body, model, surface)
    config = body.get("generationConfig", {})
    seed = _seed(config)
    if config.get("candidateCount", 1) != 1:
        raise InvalidArgument("Multiple candidates is not enabled for this model")
    modalities = config.get("responseModalities", ["TEXT", "IMAGE"])
    if not isinstance(modalities, list) or not {"IMAGE"} <= set(modalities) <= {"TEXT", "IMAGE"}:
        raise InvalidArgument("Invalid value at 'generation_config.response_modalities'")
    thinking = config.get("thinkingConfig", {})
    if str(thinking.get("thinkingLevel", "high")).lower() not in ("minimal", "low", "medium", "high"):
        raise InvalidArgument(f"Invalid value at 'generation_config.thinking_config.thinking_level', {thinking}")
    image = config.get("imageConfig", {})
    size = image.get("imageSize", "1K")
    if size not in model.sizes:
        raise InvalidArgument(
            f"Invalid value for image_config.image_size: {size}. Supported: {', '.join(model.sizes)}."
        )
    ratios = list(PIXELS_AT_1K) if model.api_id in _TALL_RATIO_MODELS else list(PIXELS_AT_1K)[:_PLAIN_RATIOS]
    ratio = image.get("aspectRatio") or _like(references, ratios)
    if ratio not in ratios:
        raise InvalidArgument(f"Invalid value for image_config.aspect_ratio: {ratio}. Supported: {', '.join(ratios)}.")
    width, height = (round(pixels * SIZES[size] / SIZES["1K"]) for pixels in PIXELS_AT_1K[ratio])
    return Order(model, prompt, seed, width, height, size, _format(image, surface), references)


def _checked(value: Any, fields: _Fields, path: str) -> Any:
    """Return an object without nulls, which are as if they were not there; its fields must be known ones.

    Names may be in snake case too, as some of those that Google's own client sends; they are returned in camel case.
    """
    if not isinstance(value, dict):
        raise InvalidArgument(f"Invalid value at '{path}' (type.googleapis.com/google.ai.generativelanguage).")
    checked: dict[str, Any] = {}
    for sent, inner in value.items():
        name = re.sub(r"_([a-z])", lambda match: match[1].upper(), sent)
        if name not in fields:
            where = f" at '{path}'" if path else ""
            raise InvalidArgument(f'Invalid JSON payload received. Unknown name "{sent}"{where}: Cannot find field.')
        snake = re.sub(r"[A-Z]", lambda match: "_" + match[0].lower(), name)
        at = f"{path}.{snake}" if path else snake
        if inner is None:
            continue
        if fields[name] is None:
            checked[name] = inner
        elif isinstance(inner, list):
            checked[name] = [_checked(entry, fields[name], f"{at}[{number}]") for number, entry in enumerate(inner)]
        else:
            checked[name] = _checked(inner, fields[name], at)
    return checked


def _contents(body: Mapping[str, Any], model: SimulatedModel, surface: Surface) -> tuple[str, tuple[bytes, ...]]:
    texts: list[str] = []
    references: list[bytes] = []
    for path, part in _parts(body):
        if isinstance(part.get("text"), str):
            texts.append(part["text"])
        elif "inlineData" in part:
            references.append(_reference(part["inlineData"], path, surface))
        else:
            raise InvalidArgument(
                f"Invalid value at '{path}': required oneof field 'data' must have one initialized field"
            )
    if not any(text.strip() for text in texts):
        raise InvalidArgument("Unable to submit request because it must have a text parameter.")
    if len(references) > model.references_at_most:
        raise InvalidArgument(f"The number of images exceeds the limit: at most {model.references_at_most}.")
    return "\n".join(texts), tuple(references)


def _parts(body: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    contents = body.get("contents")
    if not contents:
        raise InvalidArgument("* GenerateContentRequest.contents: contents is not specified")
    for number, content in enumerate(contents if isinstance(contents, list) else [contents]):
        if content.get("role", "user") not in ("user", "model"):
            raise InvalidArgument("Please use a valid role: user, model.")
        parts = content.get("parts", [])
        for place, part in enumerate(parts if isinstance(parts, list) else [parts]):
            yield f"contents[{number}].parts[{place}]", part


def _reference(inline: Mapping[str, Any], path: str, surface: Surface) -> bytes:
    data = inline.get("data")
    content = decoded(data) if isinstance(data, str) and not data.startswith("data:") else None
    if content is None:
        raise InvalidArgument(f"Invalid value at '{path}.inline_data.data' (TYPE_BYTES), Base64 decoding failed")
    if inline.get("mimeType") not in _MIME_TYPES:
        raise InvalidArgument(f"Unsupported MIME type: {inline.get('mimeType')}")
    if surface == "vertex" and len(content) > _LARGEST_FILE_ON_VERTEX:
        raise InvalidArgument("The inline data is larger than 7 MB.")
    size = size_if_picture(content)
    if size is None or min(size) < _LEAST_SIDE:
        raise InvalidArgument("Unable to process input image. Please retry or report the problem.")
    return content


def _seed(config: Mapping[str, Any]) -> int | None:
    seed = config.get("seed")
    if seed is None:
        return None
    if isinstance(seed, bool) or not isinstance(seed, int) or not -(2**31) <= seed < 2**31:
        raise InvalidArgument(f"Invalid value at 'generation_config.seed' (TYPE_INT32), {json.dumps(seed)}")
    return seed


def _format(image: Mapping[str, Any], surface: Surface) -> Format:
    if surface == "google":
        return "jpeg"
    mime_type = image.get("imageOutputOptions", {}).get("mimeType", "image/png")
    if mime_type not in ("image/png", "image/jpeg"):
        raise InvalidArgument(f"Invalid value for image_output_options.mime_type: {mime_type}.")
    return "png" if mime_type == "image/png" else "jpeg"


def _like(references: tuple[bytes, ...], ratios: list[str]) -> str:
    """Return the ratio that comes closest to the first reference's; squares without one."""
    size = size_if_picture(references[0]) if references else None
    if size is None:
        return "1:1"
    shape = size[0] / size[1]
    return min(ratios, key=lambda ratio: abs(PIXELS_AT_1K[ratio][0] / PIXELS_AT_1K[ratio][1] / shape - 1))
