"""What turns pictures and texts into features: one module a kind of model or extractor, and one table of them.

Models: clip, dual and embedded (pictures and prompts in one space), faces, ocr, detector, vqa, lpips, aesthetic.
Extractors, without weights: pixels, edits, palette, colour_names, technical; scripts says what an engine can read.
``catalogue`` names them all, ``weights`` finds and fetches what they need, ``local_models`` and ``runtime`` load it,
``processes`` calls what would keep others waiting elsewhere.
"""
