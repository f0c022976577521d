"""The table of every feature that encoders compute, one literal row each."""

from __future__ import annotations

from metrics.specification import FeatureSpec

FEATURES: dict[str, FeatureSpec] = {
    row.name: row
    for row in (
        FeatureSpec("clip_image", "image", "adherence"),
        FeatureSpec("prompt", "text", "adherence"),
        FeatureSpec("faces", "image", "identity", 9),
        FeatureSpec("ocr", "image", "text", 12),
        FeatureSpec("phash", "image", "pixels"),
        FeatureSpec("difference", "pair", "pixels"),
        FeatureSpec("lpips", "pair", "perceptual"),
        FeatureSpec("vqa_answer", "question", "vqa"),
        FeatureSpec("palette", "image", "palette", 32),
        FeatureSpec("technical", "image", "technical", 16),
        FeatureSpec("aesthetic", "image", "aesthetic"),
        FeatureSpec("detections", "question", "detector"),
        FeatureSpec("edit_difference", "edit", "edit_pixels", 65),
        FeatureSpec("edit_lpips", "edit", "perceptual", 65),
    )
}
