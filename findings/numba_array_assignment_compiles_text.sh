#!/usr/bin/env bash
# Assignments between arrays in functions that Numba compiles.
#
# One expects: target[i] = source[j], for rows of arrays, compiles to a copy of memory, about as long as the loop over its
# elements.
# What happens: the shapes may differ at run time, so the function also holds the error message for that, with the
# conversion of numbers to text and the joining of strings. The code is 7 times as long, and took 3.0 s to compile instead of 0.1 s.
# Why it matters here: the first call of a compiled function waits for it. Of the 9.4 s that the step of beam search took
# to compile, 4.3 s were for text. With loops it takes 2.7 s (kernels/beam_step.py); the outputs and the speed are equal.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet numba==0.68.1 llvmlite==0.50.0 numpy==2.4.6
cat > "$folder/compile.py" <<'PY'
import time

import llvmlite
import numba
import numpy as np


@numba.njit
def warm(values):
    return values[0]


@numba.njit(error_model="numpy", boundscheck=False)
def by_assignment(source, target):
    for i in range(len(source)):
        target[i] = source[i]


@numba.njit(error_model="numpy", boundscheck=False)
def by_loop(source, target):
    for i in range(len(source)):
        for k in range(source.shape[1]):
            target[i, k] = source[i, k]


source = np.arange(12).reshape(3, 4)
warm(source[0])
found = {}
for function in (by_loop, by_assignment):
    target, start = np.zeros_like(source), time.perf_counter()
    function(source, target)
    seconds = time.perf_counter() - start
    assert (target == source).all()
    (code,) = function.inspect_asm().values()
    found[function.__name__] = len(code.splitlines())
    print(f"{function.__name__}: {found[function.__name__]:,} lines of assembly, {seconds:.1f} s to compile, "
          f"text of the error in it: {'cannot' in code}")
print(f"numba {numba.__version__}, llvmlite {llvmlite.__version__}, numpy {np.__version__}: "
      f"{found['by_assignment'] / found['by_loop']:.0f} times as long")
    assert ("cannot" in code) == (function is by_assignment)
assert found["by_assignment"] > 5 * found["by_loop"]
PY
"$folder/venv/bin/python" "$folder/compile.py"
echo "as seen before"
