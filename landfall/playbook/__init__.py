"""Running playbooks, and what their events mean. The only package that imports ansible_runner."""
