"""What a bundle says about itself in words: its prior and why, and the model card."""

from __future__ import annotations

from typing import Any

from studio.methods.haptic_play.config import STATED


def choose_prior(held_out: dict[str, float]) -> str:
    """The flow only where it beats the Gaussian on held-out data (spec/feasibility.md, traps)."""
    return "flow" if held_out.get("nll_flow", float("inf")) < held_out["nll_gaussian"] else "gaussian"


def prior_reason(held_out: dict[str, float]) -> str:
    """One sentence that says which prior the bundle uses, and why."""
    gaussian = held_out["nll_gaussian"]
    if "nll_flow" not in held_out:
        return f"Stage 2 was not trained; the bundle uses the Gaussian prior ({gaussian:.2f} nats on held-out data)."
    flow = held_out["nll_flow"]
    if flow < gaussian:
        return (
            f"The flow explains held-out skills better than the Gaussian prior: {flow:.2f} against {gaussian:.2f} nats."
        )
    return (
        f"The flow is worse than the Gaussian prior on held-out data ({flow:.2f} against {gaussian:.2f} nats), so the "
        "bundle uses the Gaussian. Train stage 2 longer, or record more play."
    )


def make_card(info: dict[str, Any]) -> str:
    """The model card."""
    lineage = info["lineage"]
    rows = "\n".join(f"| {name} | {value:.4g} |" for name, value in sorted(info["held_out"].items()))
    table = _prior_table(info.get("priors", []))
    early = "\nThe training was stopped before its end.\n" if info["stopped_early"] else ""
    early += "".join(
        f"\nPart `{name}` ended after {100 * share:.0f} % of its limits: its held-out value got no better any more.\n"
        for name, share in info.get("ended_at", {}).items()
    )
    return (
        f"# {info['title'] or 'Skills'}: {info['method']}\n\n"
        f"Trained on `{lineage.get('dataset', 'unknown')}`: {lineage.get('train_windows', '?')} windows of "
        f"{info['window']} ticks at {info['rate_hz']:g} Hz, robot {info['robot'] or 'none'}, seed {info['seed']}.\n"
        f"{info['steps']} updates in {info['wall_s']:.0f} s.\n{early}\n{origin_sentence(info)}\n\n"
        f"{info['prior_reason']}\n\n"
        "Numbers below were measured on recordings that were held out (half of them picked the weights that were kept, "
        "the other half was only measured). They are not those of any paper.\n\n"
        f"| held out | value |\n|---|---|\n{rows}\n\n{table}"
        f"{_reconstruction_tables(info.get('reconstruction') or {})}{_settings_text(info.get('settings') or {})}"
        "Use it only on the robot named above. It knows the part of the table and the motions that its play covers; "
        "outside of them its predictions are guesses.\n"
    )


def origin_sentence(info: dict[str, Any]) -> str:
    """Whether the training is offline; a bundle that played in the simulator says so first."""
    executed = info.get("executed") or {}
    if not executed.get("rounds"):
        return "Offline: trained on recordings alone; none of its own skills was executed for it."
    lists = ", ".join(str(one) for one in executed.get("goal_lists", []))
    return (
        f"Not offline: {executed['rounds']} on-policy rounds executed {executed.get('skills', 0)} of its own skills in "
        f"the simulator, on goal lists {lists}, and the dynamics and the value were corrected on them."
    )


def _reconstruction_tables(rows: dict[str, list[dict[str, Any]]]) -> str:
    """Error of one skill by dimension of state and action; empty where it was not measured."""
    parts = [
        f"| {row['name']} | {row['rms']:.3g} {row['unit']} | {100 * row['unexplained']:.1f} % |"
        for name in ("state", "action")
        for row in rows.get(name, [])
    ]
    if not parts:
        return ""
    head = "| held out, one skill, by dimension | error (root mean square) | unexplained |\n|---|---|---|\n"
    return head + "\n".join(parts) + "\n\n"


def _settings_text(settings: dict[str, Any]) -> str:
    """Which settings are the paper's, which differ from it, and which it does not state."""
    if not settings:
        return ""
    kept = [name for name, value in STATED.items() if settings.get(name) == value]
    other = [f"{name} {settings[name]} (paper: {value})" for name, value in STATED.items() if name not in kept]
    ours = [f"{name} {_plain(value)}" for name, value in sorted(settings.items()) if name not in STATED]
    return (
        "## Settings\n\n"
        f"- As the paper states: {', '.join(f'{name} {settings[name]}' for name in kept) or 'none'}.\n"
        f"- Differ from the paper: {', '.join(other) or 'none'}.\n"
        f"- Not stated by the paper, chosen here: {'; '.join(ours)}.\n\n"
    )


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return "(" + ", ".join(f"{key} {_plain(part)}" for key, part in value.items()) + ")"
    if isinstance(value, (list, tuple)):
        return "x".join(str(part) for part in value) or "none"
    return str(value)


def _prior_table(priors: list[dict[str, Any]]) -> str:
    """Every prior in the bundle with its distance from the reference, in nats; empty with one flow only."""
    if not priors:
        return ""
    lines = ["| prior | held-out NLL | KL-hat on training windows | KL-hat held out |", "|---|---|---|---|"]
    for row in priors:
        near = [f"{row[f'kl_{name}']:.2f} +- {row[f'kl_{name}_error']:.2f}" if f"kl_{name}" in row else "no reference"
                for name in ("train", "held_out")]  # fmt: skip
        lines.append(f"| {row['prior']} | {row['nll_held_out']:.2f} | {near[0]} | {near[1]} |")
    return "\n".join(lines) + "\n\n"
