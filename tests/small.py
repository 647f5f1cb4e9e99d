"""A small study that trains in seconds, written to a folder as a user would write it."""

from pathlib import Path

STUDY = """\
description: a small study
data:
  source:
    kind: synthetic
    rows: 4000
    seed: 5
    scenarios: {home: 0.5, search: 0.3, push: 0.2}
    tasks: {click: 0.4, order: 0.2}
    num_users: 200
    num_items: 50
    id_effects: 0.2
  scenario: {column: scenario}
  tasks:
    click: {column: click}
    order: {column: order}
  user: user_id
  item: item_id
  time: time
  features:
    categorical: [user_id, item_id, user_attribute_0, item_attribute_0]
    numeric: [numeric_0, numeric_1]
  split: {by: random, seed: 3, valid: 0.2, test: 0.2}
arms: {shared_bottom: , mmoe: }
trials: 3
epochs: 2
finalists: {top: 1, seeds: 2}
pruner: none
seed: 7
slots: 2
device: cpu
"""


def write_study(folder: Path, text: str = STUDY, name: str = "small") -> Path:
    """Write the study and return its path."""
    path = folder / f"{name}.yaml"
    path.write_text(text, encoding="utf-8")
    return path
