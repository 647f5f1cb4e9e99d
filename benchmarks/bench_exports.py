"""Exports for FuxiCTR and TorchEasyRec, checked by their own code: equal logits, and a training.

    python benchmarks/bench_exports.py --fuxictr CLONE --torcheasyrec CLONE

The clones are of github.com/reczoo/FuxiCTR and github.com/alibaba/TorchEasyRec; one is enough.
Studies of made-up rows, of one scenario and of three, are searched, and every arm is exported.
FuxiCTR's models load the weights that were written and score 1,000 rows of test that its loader
reads. TorchEasyRec's messages parse pipeline.config, and its layers, built from that, get our
weights and inputs. Each library's own command then trains what was written
(peers/run_exported_*.py). On a CPU, TorchEasyRec has no Adam for embeddings: it trains the arms of
`--embeddings rowwise_adagrad`.
"""

import argparse
import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

import hinet_search as hs
from bench_peers import CACHE, NUMPY, PANDAS, SKLEARN, TORCH
from environments import make_environment, run
from hinet_search.api import export_for
from hinet_search.common.spaced import say_nothing
from hinet_search.data.columns import Columns
from hinet_search.data.study_data import dataset_of
from hinet_search.serving.model_folder import ExportedModel, open_folder
from hinet_search.serving.peers.write import encoded_rows
from hinet_search.study.launch_options import LaunchOptions
from layout import aligned

HERE = Path(__file__).resolve().parent
RUN_SECONDS = 1_800
NUM_ROWS = 1_000
REQUIREMENTS = (
    *(TORCH, NUMPY, PANDAS, SKLEARN, "polars==1.44.2", "pyarrow==26.0.1", "h5py", "tqdm"),
    *("pyyaml", "keras_preprocessing", "six"),
    # Of TorchEasyRec, whose code needs an older protobuf.
    *("grpcio-tools==1.62.3", "tensorboard==2.19.0", "torchmetrics==1.0.3", "anytree", "psutil"),
    *("alibabacloud_credentials<2", "confluent-kafka", "pyodps==0.12.5.1", "safetensors", "fsspec"),
    *("pyre-extensions", "tensordict", "setuptools"),
)
ALONE = ("torchrec==1.8.0", "fbgemm-gpu-cpu==1.8.0")  # torchrec requires fbgemm-gpu for GPUs
LIBRARIES = ("fuxictr", "torcheasyrec")
EXPERTS = "model.expert.widths: [32, 16], model.tower.widths: [8]"
CROSS = "model.cross.num_layers: 3, model.widths: [32, 16]"
ARMS = {
    "shared_bottom": "{model: shared_bottom, fixed: {model.trunk.widths: [32, 16]}}",
    "mmoe": f"{{model: mmoe, fixed: {{{EXPERTS}}}}}",
    "ple": f"{{model: ple, fixed: {{{EXPERTS}, model.slots: scenario_task, model.num_levels: 1}}}}",
    "ple_2": f"{{model: ple, fixed: {{{EXPERTS}, model.slots: scenario_task, "
    "model.num_levels: 2}}",
    "pepnet": "{model: pepnet, fixed: {model.widths: [32, 32], model.gate_width: 32}}",
}
ARMS_OF_ONE_TASK = {
    "dcn_full": f"{{model: dcn_v2, fixed: {{{CROSS}, model.cross.kind: full}}}}",
    "dcn_nonlinear": f"{{model: dcn_v2, fixed: {{{CROSS}, model.cross.kind: nonlinear, "
    "model.cross.num_experts: 1}}",
    "dcn_low_rank": f"{{model: dcn_v2, fixed: {{{CROSS}, model.cross.kind: low_rank, "
    "model.cross.num_experts: 1}}",
}
STUDY = """\
data:
  source:
    kind: synthetic
    rows: {rows}
    seed: 7
    scenarios: {{{shares}}}
    tasks: {{click: .25, order: .08}}
    num_users: 800
    num_items: 500
  scenario: {{column: scenario, values: {{{values}}}}}
  tasks: {{{tasks}}}
  user: user_id
  time: time
  time_unit: s
  features:
    categorical: [user_id, item_id, user_attribute_0, item_attribute_0]
    numeric: [numeric_0, numeric_1, numeric_2]
  split: {{by: random, seed: 1, valid: 0.1, test: 0.1}}
arms:
{arms}
trials: 1
passes: {passes}
finalists: {{top: 1, seeds: 1}}
fixed: {{train.batch_size: 512, train.embedding_optimiser: {embeddings}{fixed}}}
cost_limit: null
slots: 1
device: cpu
"""
SHARES = {"home": 0.5, "search": 0.3, "cart": 0.2}
TASKS = {"click": "{column: click}", "order": "{column: order}"}
STUDIES = (  # scenarios, tasks, arms
    (1, 2, ARMS),
    (1, 1, ARMS_OF_ONE_TASK),
    (3, 2, ARMS),
)


def launched(
    folder: Path, asked: argparse.Namespace, counts: tuple[int, int], arms: Mapping[str, str]
) -> Path:
    """The file of a done study of so many scenarios and tasks."""
    num_scenarios, num_tasks = counts
    names = list(SHARES)[:num_scenarios]
    total = sum(SHARES[name] for name in names)
    text = STUDY.format(
        rows=asked.rows,
        passes=asked.passes,
        embeddings=asked.embeddings,
        fixed="".join(f", {setting}" for setting in asked.fixed),
        shares=", ".join(f"{name}: {SHARES[name] / total}" for name in names),
        values=", ".join(f"{name}: {name}" for name in names),
        tasks=", ".join(f"{name}: {TASKS[name]}" for name in list(TASKS)[:num_tasks]),
        arms="\n".join(f"  {json.dumps(name)}: {arm}" for name, arm in arms.items()),
    )
    path = folder / f"of_{num_scenarios}_and_{num_tasks}.yaml"
    path.write_text(text, encoding="utf-8")
    hs.launch(str(path), output=folder / "out")
    return path


def checked(study: Path, arm: str, asked: argparse.Namespace, python: Path) -> list[dict[str, Any]]:
    """What the libraries make of an arm, a figure each."""
    output: dict[str, Any] = {"output": study.parent / "out"}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        hs.export(str(study), folder / "model", arm=arm, **output)
        exported = open_folder(folder / "model", torch.device("cpu"))
        options = LaunchOptions(output=output["output"])
        dataset = dataset_of(options.load(str(study)), options.cache, say_nothing)
        test = encoded_rows(exported, dataset)["test"].head(NUM_ROWS)
        ours: dict[str, Any] = ours_of(exported, test)
        np.savez(folder / "ours.npz", **ours)
        figures = []
        for library in LIBRARIES:
            if getattr(asked, library) is None:
                continue
            figure = {"library": library, "study": study.stem, "arm": arm}
            try:
                written = export_for(library, str(study), folder / library, arm=arm, **output)
            except hs.ConfigurationError as error:
                figures.append({**figure, "outcome": str(error).splitlines()[0]})
                continue
            script = HERE / "peers" / f"run_exported_{library}.py"
            command = [str(python), str(script), str(getattr(asked, library)), str(written.folder)]
            text, failure = run([*command, str(folder / "ours.npz")], RUN_SECONDS)
            lines = [line for line in text.splitlines() if line.startswith("{")]
            figure |= json.loads(lines[-1]) if lines else {"outcome": failure}
            figure["outcome"] += f"; here {_aucs_on_test(study, arm, output)}"
            figures.append(figure)
        return figures


def _aucs_on_test(study: Path, arm: str, output: Mapping[str, Any]) -> str:
    """Our AUC of every cell."""
    finalists = hs.load(str(study), **output).finalists
    of_arm = finalists.filter(split="test", arm=arm)
    return ", ".join(f"{auc:.4f}" for auc in of_arm.sort("scenario", "task")["auc"])


def ours_of(exported: ExportedModel, test: Columns) -> dict[str, NDArray[Any]]:
    """Our weights, inputs and logits of rows, which are put in the order of their scenarios."""
    rows = test.where(np.argsort(test.scenario_R, kind="stable"))  # type: ignore[arg-type]
    network = exported.members[0].model.model
    seen: list[torch.Tensor] = []
    hook = network.embedding.register_forward_hook(lambda *given: seen.append(given[2]))  # type: ignore[attr-defined]
    logits_BT = exported.members[0].model.scores(rows)
    hook.remove()
    x_BD = torch.cat(seen)
    ours = {name: tensor.numpy() for name, tensor in network.state_dict().items()}  # type: ignore[attr-defined]
    ours |= {"x": x_BD.numpy(), "logits": logits_BT, "scenario": rows.scenario_R}
    if hasattr(network, "prior_width"):
        ours["prior"] = ours["x"][:, : network.prior_width]
        ours["domain"] = ours["scenario_embedding.weight"][rows.scenario_R]
    return ours


def table(figures: Sequence[Mapping[str, Any]]) -> str:
    """The figures as text, a line each."""
    lines = [("library, study, arm", "rows", "difference", "largest logit", "outcome")]
    for figure in figures:
        title = ", ".join(str(figure[name]) for name in ("library", "study", "arm"))
        is_compared = figure.get("difference") is not None
        numbers = ("", "", "")
        if is_compared:
            largest = f"{figure['largest']:.3g}"
            numbers = (f"{figure['rows']:,}", f"{figure['difference']:.1e}", largest)
        lines.append((title, *numbers, str(figure.get("outcome", ""))))
    return aligned(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fuxictr", type=Path, help="a clone of reczoo/FuxiCTR")
    parser.add_argument("--torcheasyrec", type=Path, help="of alibaba/TorchEasyRec")
    parser.add_argument("--python", type=Path, help="an interpreter that has what both need")
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--passes", type=int, default=2)
    parser.add_argument("--embeddings", default="adam", help="the optimiser of embeddings")
    parser.add_argument("--fixed", nargs="*", default=[], help='such as "train.patience: 0"')
    parser.add_argument("--only", nargs="*", help="arms, all by default")
    asked = parser.parse_args()
    python = asked.python
    if python is None:
        environment = make_environment(CACHE / "exports", REQUIREMENTS, ALONE)
        if environment.failure:
            raise SystemExit(environment.failure)
        python = environment.python
    figures = []
    with tempfile.TemporaryDirectory() as folder:
        for *counts, every_arm in STUDIES:
            arms = {arm: of for arm, of in every_arm.items() if arm in (asked.only or every_arm)}
            if not arms:
                continue
            study = launched(Path(folder), asked, (counts[0], counts[1]), arms)
            for arm in arms:
                of_arm = checked(study, arm, asked, python)
                print(table(of_arm), flush=True)
                figures += of_arm
    print(table(figures))


if __name__ == "__main__":
    main()
