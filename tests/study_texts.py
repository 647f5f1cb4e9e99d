"""Texts of studies: what several tests begin their study files with."""

DATA = """\
data:
  source: {kind: synthetic}
  scenario: {column: scenario}
  tasks: {click: {column: click}}
  features: {categorical: [user_id]}
  split: {by: random}
"""
