"""What studies show, as text for a terminal."""

from typing import Any


def told_text(told: dict[str, Any]) -> str:
    """Write an analysis as text."""
    text = _turing(told) if told["kind"] == "turing" else _rating(told)
    return f"{text}\n{_held(told)}" if "study" in told else text


def _turing(told: dict[str, Any]) -> str:
    test, model = told["equivalence"], told["mixed_model"]
    verdict = "at chance" if test["equivalent"] else "not shown to be at chance"
    lines = [
        f"{told['answers']:,} answers by {told['raters']} raters on {told['cases']} cases",
        f"accuracy          {told['accuracy']:.3f}",
        f"  Wilson          {_ends(told['accuracy_wilson'])}, if answers were independent",
        f"  Clopper-Pearson {_ends(told['accuracy_clopper_pearson'])}, likewise",
        f"  clustered       {_ends(told['accuracy_clustered'])}, for other raters and cases",
        f"d'                {told['d_prime']:.3f} {_ends(told['d_prime_interval'])}",
        f"position bias     {told['position_bias']:+.3f} {_ends(told['position_bias_interval'])}",
        f"fooled somebody   {told['fooled_any']:.3f} of cases, "
        f"{told['expected_fooled_any']:.3f} from independent raters, "
        f"{told['ceiling_fooled_any']:.3f} at most",
        f"fooled most       {told['fooled_majority']:.3f} of cases, "
        f"{told['expected_fooled_majority']:.3f} from independent raters",
        f"equivalence       {verdict} within {test['margin']:g}: p {test['p']:.3g} exact, "
        f"{test['p_clustered']:.3g} clustered",
    ]
    if model["reason"]:
        lines.append(f"mixed model       none: {model['reason']}")
    else:
        lines.append(
            f"mixed model       {model['accuracy']:.3f} {_ends((model['low'], model['high']))} for "
            f"an average rater and case; sd of raters {model['rater_sd']:.2f}, of cases "
            f"{model['case_sd']:.2f} log-odds"
        )
    lines += ["", f"{'rater':16} answers  accuracy            d'   left"]
    lines += [
        f"{row['rater']:16} {row['answers']:7}  {row['accuracy']:.3f} "
        f"{_ends((row['low'], row['high']))}  {row['d_prime']:5.2f}  {row['left_share']:.2f}"
        for row in told["per_rater"]
    ]
    return "\n".join(lines + [f"note: {note}" for note in told["notes"]])


def _rating(told: dict[str, Any]) -> str:
    lines = [
        f"{told['ratings']:,} ratings, {told['method']}",
        f"{'item':24} {'dimension':20}   MOS  95 % interval   ratings",
    ]
    lines += [
        f"{row['item']:24} {row['dimension']:20} {row['mos']:5.2f}  "
        f"{_ends((row['low'], row['high'])):14}  {row['ratings']:7}"
        for row in told["items"]
    ]
    lines += ["", f"{'rater':24} {'dimension':20}   bias  inconsistency"]
    for row in told["raters"]:
        marks = [name.replace("_", " ") for name in ("rejected", "straight_line") if row[name]]
        lines.append(
            f"{row['rater']:24} {row['dimension']:20} {row['bias']:+6.2f}  "
            f"{row['inconsistency']:13.2f}  {', '.join(marks)}".rstrip()
        )
    return "\n".join(lines + [f"note: {note}" for note in told["notes"]])


def _ends(interval: tuple[float, float]) -> str:
    low, high = interval
    return f"[{low:.3f}, {high:.3f}]"


def _held(told: dict[str, Any]) -> str:
    """Tell what is known of a study beside its table."""
    study = told["study"]
    lines = [""]
    for row in study["systems"]:
        if told["kind"] == "turing":
            lines.append(
                f"{row['system']:16} {row['answers']:7}  {row['accuracy']:.3f} "
                f"{_ends(row['accuracy_clustered'])}  fooled somebody {row['fooled_any']:.3f}"
            )
        else:
            lines.append(
                f"{row['system']:24} {row['dimension']:20} {row['mos']:5.2f}  "
                f"{_ends((row['low'], row['high']))} over {row['items']} cases"
            )
    for row in study.get("confidence", ()):
        if row["answers"]:
            lines.append(
                f"{row['said']:16} {row['answers']:7}  {row['accuracy']:.3f} "
                f"{_ends((row['low'], row['high']))}"
            )
    playing = study["playing"]
    lines.append(f"played {playing['played']} times, {playing['stalled']} of them interrupted")
    lines += [f"left out: {rater}, {why}" for rater, why in study["left_out"].items()]
    lines += [f"not as planned: {each}" for each in study["deviations"]]
    if not study["deviations"]:
        lines.append(f"as planned ({study['planned'][:12]})")
    return "\n".join(lines)
