"""The pack as a program: the Pulumi engine starts this file and asks it about each resource."""

import sys
from pathlib import Path

# The engine starts this folder, not the checkout, wherever it was called from.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from stacks.policy.pack import serve

serve()
