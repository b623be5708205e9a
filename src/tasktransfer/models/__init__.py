"""Who answers: vision-language models, loaded, finetuned and asked. Needs the extra ``models`` (torch)."""
