"""Documentation of the action plugin `answer`."""

DOCUMENTATION = r"""
module: answer
short_description: Print an answer to a person or a program, and keep it
description:
  - Prints text, or the data as JSON, as it is. Characters that would command a terminal are shown
    as escapes, since answers repeat what hosts and callers wrote.
  - Changes nothing but the file it keeps the answer in, also in check mode.
  - Runs on the control node.
author: The saudacao authors
options:
  text:
    description: Lines for a person.
    type: list
    elements: str
    required: true
  data:
    description: The same for a program.
    type: raw
  format:
    description: What is printed.
    type: str
    choices: [text, json]
    default: text
  path:
    description: File in which the data is kept; without it, none.
    type: path
  problem:
    description: Sentence with which the task fails after the answer; empty when all is well.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Say it
  answer:
    text: [all is well]
    data: {healthy: true}
    path: .deploy/local/status.json
"""

RETURN = r"""
path:
  description: The file in which the data is kept, empty when there is none.
  returned: always
  type: str
"""
