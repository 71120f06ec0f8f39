"""Writes the documents anew: python -m docs.iam."""

from docs.iam.policy import ROOT, documents

for name, text in documents().items():
    (ROOT / "docs/iam" / name).write_text(text, encoding="utf-8")
