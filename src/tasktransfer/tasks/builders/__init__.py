"""Training sets in BLINK's form from public sources: one documented builder a task.

BLINK [1]_ has no training split. Each module here reads one public source in the layout in which it is
published and drafts items; `tasktransfer.tasks.builders.write` deals the letters, keeps evaluation images out
and writes a folder task. What was run on what is in docs/training-sets.md.

References
----------
.. [1] Fu et al., "BLINK: Multimodal Large Language Models Can See but Not Perceive", ECCV 2024.
.. [2] arXiv 2512.21218, appendix A: recipes for nine of the tasks.
"""

from tasktransfer.tasks.builders.registry import BUILDERS
from tasktransfer.tasks.builders.write import build_training_set

__all__ = ["BUILDERS", "build_training_set"]
