"""What is asked: suites of prompt items, their references, and how they are checked and brought in."""
