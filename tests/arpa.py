"""ARPA files to test with: interpolated absolute discounting (Ney et al. 1994)."""

import math
from collections import Counter, defaultdict

DISCOUNT = 0.75
BEGIN, END, UNKNOWN = "<s>", "</s>", "<unk>"


def write_arpa(path, sentences, vocabulary, order=3):
    """Write an n-gram model whose probabilities sum to 1 after every history.

    Args:
        sentences: lists of words.
        vocabulary: the words without <unk>, <s> and </s>.
        order: the length of the longest n-grams, 2 or more.
    """
    counts = [Counter() for _ in range(order + 1)]  # by length
    for words in sentences:
        sentence = [BEGIN, *(word if word in vocabulary else UNKNOWN for word in words), END]
        for size in range(1, order + 1):
            starts = range(len(sentence) - size + 1)
            counts[size].update(tuple(sentence[at : at + size]) for at in starts)
    events = [UNKNOWN, *vocabulary, END]
    total = sum(counts[1][event,] for event in events) + len(events)
    probabilities = [{}, {(event,): (counts[1][event,] + 1) / total for event in events}]
    backoffs = [{} for _ in range(order + 1)]
    for size in range(2, order + 1):
        totals, kinds = defaultdict(int), defaultdict(int)
        for gram, count in counts[size].items():
            totals[gram[:-1]] += count
            kinds[gram[:-1]] += 1
        for history, num_kinds in kinds.items():
            backoffs[size - 1][history] = DISCOUNT * num_kinds / totals[history]
        probabilities.append({
            gram: (count - DISCOUNT) / totals[gram[:-1]]
            + backoffs[size - 1][gram[:-1]] * probabilities[size - 1][gram[1:]]
            for gram, count in counts[size].items()
        })
    probabilities[1][BEGIN,] = 1e-99  # never predicted
    _write(path, probabilities, backoffs, order)


def _write(path, probabilities, backoffs, order):
    lines = ["\\data\\"]
    lines += [f"ngram {size}={len(probabilities[size])}" for size in range(1, order + 1)]
    for size in range(1, order + 1):
        lines += ["", f"\\{size}-grams:"]
        for gram, probability in probabilities[size].items():
            line = f"{math.log10(probability):.9g}\t{' '.join(gram)}"
            if size < order:
                line += f"\t{math.log10(backoffs[size].get(gram, 1.0)):.9g}"
            lines.append(line)
    path.write_text("\n".join([*lines, "", "\\end\\", ""]), "utf-8")
