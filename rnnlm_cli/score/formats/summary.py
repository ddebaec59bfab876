"""The line that sums up all texts, shared by the formats text, json and tsv."""

from rnnlm_cli.score.score import Score


def summarize(total: Score, num_texts: int, adapted: Score | None = None) -> list[str]:
    """Return the line with the sums and the perplexity over all texts, and its denominator.

    There is no line for a single text without unknown tokens, because it would repeat the score
    of that text.

    Args:
        adapted: the sums by a model that adapts to each document; None if there is none.
    """
    if num_texts == 1 and not total.num_unknown:
        return []
    num_unknown_predicted = total.num_unknown - total.num_unscored
    line = (
        f"total: {format_count(num_texts, 'text')}, ln p {-total.nats:z.4f}, "
        f"perplexity {format_figure(total.perplexity)} "
        f"over {format_count(total.num_predicted, 'predicted token')}"
    )
    if total.num_predicted > num_unknown_predicted > 0:
        line += (
            f" ({format_figure(total.perplexity_without_unknown)} "
            f"over {total.num_predicted - num_unknown_predicted} "
            f"without {format_count(num_unknown_predicted, 'unknown token')})"
        )
    if adapted is not None:
        line += f", adapted perplexity {format_figure(adapted.perplexity)}"
    if total.num_unscored:
        unscored = format_count(total.num_unscored, "unknown token")
        line += f"; left out {unscored} without probability"
    return [line]


def format_figure(value: float | None) -> str:
    """Return a figure with 4 decimals, or with an exponent if it is huge. None becomes "-"."""
    return "-" if value is None else f"{value:z.4f}" if value < 1e6 else f"{value:.3e}"


def format_count(number: int, noun: str) -> str:
    """Return a number and its noun, in the plural unless the number is 1."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
