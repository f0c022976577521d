"""Text accuracy: what an OCR engine reads, held against what an image should say."""
