"""Operations that are faster on a CPU than the library's: attention, norms, dropout, linear maps, losses, beam search.

Each has its plain PyTorch equivalent next to it, a test that both agree, and a benchmark that justifies it.
Nothing here knows a model family, a tokenizer or a file.
"""
