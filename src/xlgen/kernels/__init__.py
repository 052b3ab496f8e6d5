"""CPU operations that are faster than the library's: attention, norms, dropout, linear maps, losses, beam search.

Each has a plain PyTorch equivalent next to it, a test that both agree, and a benchmark that justifies it.
Nothing here depends on a model family, a tokenizer or a file.
"""
