"""What Black Forest Labs' OpenAPI of 2026 lets into the body of each endpoint, written down by hand as JSON schemas.

Fields of webhooks are left out. Every schema is closed, although the service ignores what it does not know (FLUX.3
apart, which refuses it): a field that does nothing is a mistake of ours.
"""

from collections.abc import Mapping
from typing import Any

Schema = Mapping[str, Any]

_TEXT: Schema = {"type": "string"}
_YES_OR_NO: Schema = {"type": "boolean"}


def _whole(least: int, most: int, step: int = 1) -> Schema:
    return {"type": "integer", "minimum": least, "maximum": most, "multipleOf": step}


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def _body(*required: str, **fields: Schema) -> Schema:
    shared = {
        "prompt": _TEXT if required else _or_null(_TEXT),
        "seed": _or_null({"type": "integer"}),
        "output_format": _or_null({"enum": ["jpeg", "png", "webp"]}),
    }
    return {
        "type": "object",
        "properties": shared | fields,
        "required": list(required),
        "additionalProperties": False,
    }


def _images(most: int) -> dict[str, Schema]:
    names = ["input_image", *(f"input_image_{number}" for number in range(2, most + 1))]
    return dict.fromkeys(names, _or_null(_TEXT))


# The OpenAPI gives FLUX.2's sides a least value alone; steps of 16 and at most 4 megapixels are BFL's guide's.
_FLUX_2_SIDE = _or_null({"type": "integer", "minimum": 64, "multipleOf": 16})
_FLUX_2 = {"width": _FLUX_2_SIDE, "height": _FLUX_2_SIDE, "safety_tolerance": _whole(0, 5)}
_FLUX_1 = {"safety_tolerance": _whole(0, 6), "prompt_upsampling": _YES_OR_NO}
_FLUX_1_SIDES = {"width": _whole(256, 1440, 32), "height": _whole(256, 1440, 32)}
_FLUX_1_PICTURE = {"image_prompt": _or_null(_TEXT)}

# ``disable_pup`` is missing from the OpenAPI; BFL's own clients of other clouds send it.
_OF_PRO = _body("prompt", **_FLUX_2, **_images(8), disable_pup=_YES_OR_NO)
_OF_KLEIN = _body("prompt", **_FLUX_2, **_images(4))
_OF_KONTEXT = _body("prompt", **_FLUX_1, **_images(4), aspect_ratio=_or_null(_TEXT))

BODIES: Mapping[str, Schema] = {
    "flux-2-pro": _OF_PRO,
    "flux-2-pro-preview": _OF_PRO,
    "flux-2-max": _OF_PRO,
    "flux-2-flex": _body(
        "prompt",
        **_FLUX_2,
        **_images(8),
        prompt_upsampling=_or_null(_YES_OR_NO),
        steps=_or_null(_whole(1, 50)),
        guidance=_or_null({"type": "number", "minimum": 1.5, "maximum": 10}),
    ),
    "flux-2-klein-4b": _OF_KLEIN,
    "flux-2-klein-9b": _OF_KLEIN,
    "flux-2-klein-9b-preview": _OF_KLEIN,
    "flux-pro-1.1": _body(**_FLUX_1, **_FLUX_1_SIDES, **_FLUX_1_PICTURE),
    "flux-dev": _body(
        **_FLUX_1,
        **_FLUX_1_SIDES,
        **_FLUX_1_PICTURE,
        steps=_or_null(_whole(1, 50)),
        guidance=_or_null({"type": "number", "minimum": 1.5, "maximum": 5}),
    ),
    "flux-pro-1.1-ultra": _body(
        **_FLUX_1,
        **_FLUX_1_PICTURE,
        aspect_ratio=_TEXT,
        raw=_YES_OR_NO,
        image_prompt_strength={"type": "number", "minimum": 0, "maximum": 1},
    ),
    "flux-kontext-pro": _OF_KONTEXT,
    "flux-kontext-max": _OF_KONTEXT,
    # Of the vendor's pages; there is no stored copy of its OpenAPI.
    "flux-3-image": {
        "type": "object",
        "properties": {
            "prompt": _TEXT,
            "aspect_ratio": _TEXT,
            "resolution": {"enum": ["768sq", "1k", "1.5k", "2k", "4k"]},
            "images": {"type": "array", "items": _TEXT, "minItems": 1, "maxItems": 10},
            "grounding": _YES_OR_NO,
            "safety_tolerance": _whole(0, 5),
            "output_format": {"enum": ["jpeg", "png", "webp"]},
        },
        "required": ["prompt"],
        "additionalProperties": False,
    },
}
# Nobody shows its schema: the fields that its pages name, with the other's rules.
BODIES["flux-3-image-klein"] = {
    **BODIES["flux-3-image"],
    "properties": {
        name: BODIES["flux-3-image"]["properties"][name] for name in ("prompt", "aspect_ratio", "resolution", "images")
    },
}
