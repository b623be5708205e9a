"""Several adapters as one, in adapter space: nothing is trained and no weight of the model is written.

    an adapter k adds B_k A_k (its scaling included) to each map that it wraps; w_k is its weight

=========== ======================================================================================================
cat         the sum of w_k B_k A_k, exactly: factors are laid side by side; the rank is that of all together
linear      (sum of sqrt(w_k) B_k) (sum of sqrt(w_k) A_k): the rank stays, and products B_k A_l of different
            adapters come in
ties        the same on factors of which a share is kept, the largest, and of those what agrees in sign [1]_
dare_linear the same on factors of which a random share is kept and scaled up [2]_; dare_ties with both
=========== ======================================================================================================

It is PEFT's ``add_weighted_adapter``.

References
----------
.. [1] Yadav et al., "TIES-Merging", NeurIPS 2023.
.. [2] Yu et al., "Language Models are Super Mario", ICML 2024.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasktransfer.errors import InputError
from tasktransfer.models.lora import unwrap, without_foreign_warnings
from tasktransfer.models.saved_adapters import read_adapter

if TYPE_CHECKING:
    from tasktransfer.models.vlm import Vlm

__all__ = ["merged_lora"]

_MERGED = "merged"


@contextmanager
def merged_lora(
    vlm: Vlm, folders: Sequence[Path], weights: Sequence[float], *, how: str, density: float, seed: int
) -> Iterator[Any]:
    """Attach the merge of saved adapters for the time of the block; the model is untouched afterwards.

    Parameters
    ----------
    vlm
        The model.
    folders, weights
        PEFT folders, and the weight of each.
    how
        A word of the table above.
    density
        Share that ties and dare keep.
    seed
        Of what dare keeps.

    Raises
    ------
    InputError
        An adapter does not belong to this model, or they cannot be merged this way.
    """
    import torch
    from peft import PeftModel, set_peft_model_state_dict

    adapters = [read_adapter(folder, vlm) for folder in folders]
    odd = [adapter for adapter in adapters if adapter.kind != "LoRA"]
    if odd:
        raise InputError(f"{odd[0].folder}: a {odd[0].kind} adapter; plain LoRA can be merged")
    if how != "cat" and len({adapter.r for adapter in adapters}) > 1:
        ranks = ", ".join(str(adapter.r) for adapter in adapters)
        raise InputError(f"adapters of ranks {ranks} cannot be merged by {how}; cat takes any")
    names = [f"part{number}" for number in range(len(adapters))]
    with without_foreign_warnings():
        wrapped = PeftModel(vlm.model, adapters[0].config, names[0], autocast_adapter_dtype=True)
    try:
        with without_foreign_warnings(), torch.random.fork_rng():
            for name, adapter in zip(names, adapters, strict=True):
                if name != names[0]:
                    wrapped.add_adapter(name, adapter.config)
                set_peft_model_state_dict(wrapped, adapter.weights, adapter_name=name)
            torch.manual_seed(seed)  # dare draws from the global generator, which the fork gives back as it was
            warnings.filterwarnings("ignore", "The density 1.0 is", UserWarning)  # nothing pruned is as asked
            wrapped.base_model.add_weighted_adapter(
                names, list(weights), _MERGED, combination_type=how, density=density
            )
        wrapped.set_adapter(_MERGED)
        wrapped.eval().requires_grad_(False)
        yield wrapped
    finally:
        unwrap(vlm, wrapped)
