"""tasktransfer: how finetuning a vision-language model on one task changes what it can do on others.

The public names stand in ``__init__.pyi``, in the order of the flow; each is loaded when it is first used, so that
importing the package costs nothing and reaches no torch.

>>> import tasktransfer as tt
>>> sorted(tt.__all__) == sorted(dir(tt))
True
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
