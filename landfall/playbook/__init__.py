"""Running playbooks, and what their events mean. The only package that imports ansible_runner."""

from landfall.playbook.changes import changes, unchanged
from landfall.playbook.run import Run, TaskResult, run

__all__ = ["Run", "TaskResult", "changes", "run", "unchanged"]
