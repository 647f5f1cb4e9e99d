"""Check study: its objectives, and every arm at its default and at every bound of its space."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain

from hinet_search.common.errors import ConfigurationError, did_you_mean, gone_or_similar
from hinet_search.data.columns import SPLITS, Dataset
from hinet_search.data.derived.inputs import derived_names
from hinet_search.results.data_record import ALL, AND, GROUPS, NONE, CellCount, chosen_groups
from hinet_search.results.objectives import Objective
from hinet_search.results.trade_offs import COSTS, FLOPS, LATENCY
from hinet_search.search.plan.check_losses import unfit_losses
from hinet_search.search.plan.size_limits import default_of
from hinet_search.study.data_definition import DataDefinition
from hinet_search.study.distributions import Value
from hinet_search.study.feature_definition import FeatureDefinition
from hinet_search.study.load_study import (
    DENSE_PARAMETERS,
    EPOCHS,
    EVALUATIONS,
    NUMBER_ENCODING,
    NUMBER_ENCODINGS,
    SEQUENCE_READER,
    Arm,
    ResolvedStudy,
)
from hinet_search.study.validation_messages import Location
from hinet_search.training.model_size import flops_of
from hinet_search.training.setting_names import setting_of, settings_of_no_model
from hinet_search.training.trial_config import build_config, is_network, known_names, model_module

POOLING = "features.pooling"
# The only training settings that apply to a model that is not a network.
OF_ANY_GROWTH = (EPOCHS, "train.patience", EVALUATIONS)


def try_study(study: ResolvedStudy) -> ResolvedStudy:
    """Apply the study's fixed model settings to every arm whose model has them; check every arm.

    A space need not name such a setting. ConfigurationError lists every problem of all arms, and
    the settings that no arm's model has.
    """
    _import_models(study)
    known = dict.fromkeys(chain.from_iterable(known_names(arm.model) for arm in study.arms))
    wrong = settings_of_no_model(study, study.spec.fixed, known)
    problems = list(wrong.values())
    data = study.spec.data
    arms = tuple(_with_study_settings(arm, study) for arm in study.arms)
    for arm in arms:
        cannot_be_sized = _cannot_be_sized(arm, arms)
        sized = replace(arm, space=arm.space.without_fixed(wrong))  # else told for every arm
        if arm.size_of and not cannot_be_sized:
            sized = sized.fixing({DENSE_PARAMETERS: 1})
        try:
            try_bounds(sized)
        except ConfigurationError as error:
            problems += error.problems
        else:
            problems += unfit_losses(arm, data)
        problems += [*_wrong_groups(arm, data.features), *_unfit_encodings(arm, data)]
        problems += [*_without_effect(arm, study), *cannot_be_sized]
    if problems:
        raise ConfigurationError(*dict.fromkeys(problems))
    return replace(study, arms=arms)


def _import_models(study: ResolvedStudy) -> None:
    """Import every arm's model; ConfigurationError lists those that cannot be imported."""
    problems = []
    remedies = []
    for arm in study.arms:
        try:
            model_module(arm.model)
        except ConfigurationError as error:
            problems += [f"{arm.place}: {problem}" for problem in error.problems]
            remedies.append(error.remedy)
    if problems:
        raise ConfigurationError(*problems, remedy="\n".join(dict.fromkeys(filter(None, remedies))))


def _wrong_groups(arm: Arm, features: FeatureDefinition) -> list[str]:
    """List values of `features.groups` that name unknown groups, or leave a model no inputs."""
    known = features.group_names
    space = arm.space
    searched = space.parameters[GROUPS].bounds if GROUPS in space.parameters else ()
    written = (space.fixed.get(GROUPS, ALL), *searched)
    values = [value for value in written if isinstance(value, str)]
    place = space.places.get(GROUPS, arm.place)
    problems = []
    for value in values:
        unknown = sorted(chosen_groups(value, known) - set(known))
        problems += [
            f"{place}: {GROUPS} must be {ALL}, {NONE} or names joined by {AND}, "
            f"got '{value}'; '{name}' is no group of the data, "
            f"known: {', '.join(known) or NONE}{did_you_mean(name, known)}"
            for name in unknown
        ]
    if problems:
        return problems
    return [
        f"{place}: {GROUPS} must leave a column of the row or numbers made of others, "
        f"got '{value}'; leave a feature out of all groups"
        for value in values
        if not features.leaves_inputs(value)
    ]


def _unfit_encodings(arm: Arm, data: DataDefinition) -> list[str]:
    """List the encodings of an arm for which the data have no number."""
    features = data.features
    derived = derived_names(data)
    listed = [*features.numeric, *derived]
    for group, columns in features.groups.items():
        if not {*columns}.isdisjoint(features.numeric):
            listed.append(group)
    known = (*listed, *chain.from_iterable(derived.values()))
    problems = []
    for name in (*arm.space.parameters, *arm.space.fixed):
        if setting_of(name) not in (NUMBER_ENCODING, NUMBER_ENCODINGS):
            continue
        of = name.removeprefix(f"{NUMBER_ENCODINGS}.")
        if not known:
            needed = "needs a number among the inputs"
            got = "(features.numeric, statistics, matches, events or session), got none"
        elif of not in (name, *known):
            more = " or a derived number" if derived else ""
            needed = f"must end with one of {', '.join(listed)}{more},"
            got = f"got '{of}'{_which(of, features)}{did_you_mean(of, known)}"
        else:
            continue
        problems.append(f"{arm.space.places[name]}: {name} {needed} {got}")
    return problems


def _which(name: str, features: FeatureDefinition) -> str:
    """Say what a name that is of no number is of, if of anything."""
    if name in features.categorical:
        return ", a categorical field"
    return ", a group without numbers" if name in features.group_names else ""


def _without_effect(arm: Arm, study: ResolvedStudy) -> list[str]:
    """List settings of a space or an arm without an effect; a setting of a study may have none."""
    space = arm.space
    problems = []
    has_sequences = bool(study.spec.data.features.sequences)
    lists = study.spec.data.features.lists.values()
    has_items = any(definition.pooled and definition.item for definition in lists)
    if POOLING in (*space.parameters, *space.fixed) and not has_items:
        problems.append(
            f"{space.places[POOLING]}: {POOLING} needs a list of items in the data that is pooled, "
            "got none"
        )
    if SEQUENCE_READER in space.fixed and not has_sequences:
        problems.append(
            f"{space.places[SEQUENCE_READER]}: {SEQUENCE_READER} needs a sequence in the data "
            "(features.sequences), got none"
        )
    if not is_network(arm.model):
        problems += _of_networks_alone(arm, study)
    return problems


def _of_networks_alone(arm: Arm, study: ResolvedStudy) -> Iterator[str]:
    """Yield the settings of training that have no meaning for a model that is no network."""
    space = arm.space
    known = known_names(arm.model)
    useful = [name for name in known if not name.startswith("train.") or name in OF_ANY_GROWTH]
    of_all = {name: study.file.place(("fixed", name)) for name in study.spec.fixed}
    for name in (*space.parameters, *space.fixed):
        place = space.places.get(name)
        setting = setting_of(name)
        if setting in known and setting not in useful and place != of_all.get(name):
            no_meaning = f"{name} has no meaning for {arm.model}, which is no network"
            yield f"{place}: {no_meaning}; leave it out{gone_or_similar(name, useful)}"


def _cannot_be_sized(arm: Arm, arms: Sequence[Arm]) -> list[str]:
    """List why an arm cannot get the size of another arm."""
    if not arm.size_of:
        return []
    if DENSE_PARAMETERS not in known_names(arm.model):
        needed = f"a model with the setting {DENSE_PARAMETERS}"
        return [f"{arm.place}: size_of needs {needed}, got {arm.model}"]
    if DENSE_PARAMETERS in (*arm.space.parameters, *arm.space.fixed):
        place = arm.space.places[DENSE_PARAMETERS]
        return [f"{place}: {DENSE_PARAMETERS} is what size_of gives; leave one of them out"]
    models = {other.name: other.model for other in arms}
    if not is_network(models.get(arm.size_of, arm.size_of)):
        problem = f"got '{arm.size_of}', which has no parameters"
        return [f"{arm.place}: size_of must name a network, {problem}"]
    return []


def _with_study_settings(arm: Arm, study: ResolvedStudy) -> Arm:
    """Add the study's fixed model settings to an arm, except those that it fixes itself."""
    space = arm.space
    for name in known_names(arm.model):
        if name in study.spec.fixed and name not in space.fixed:
            space = space.with_fixed(
                {name: study.spec.fixed[name]}, study.file.place(("fixed", name))
            )
    return replace(arm, space=space)


def try_bounds(arm: Arm) -> None:
    """Build the configuration at the default and at every bound of every parameter.

    ConfigurationError lists all failures, and every name that no configuration has, with its place
    in the space.
    """
    known = known_names(arm.model)
    values = arm.space.values(arm.space.default())
    default = {name: value for name, value in values.items() if setting_of(name) in known}
    problems = _problems(arm, default)
    if not problems:  # a problem of the default would be repeated at every bound
        for name, distribution in arm.space.parameters.items():
            for bound in distribution.bounds:
                problems += _problems(arm, {**default, name: bound}, name)
    unknown = [
        f"{arm.space.places.get(name, arm.place)}: "
        f"'{name}' is no setting of {arm.model}{gone_or_similar(name, known)}"
        for name in (*arm.space.parameters, *arm.space.fixed)
        if setting_of(name) not in known
    ]
    if problems or unknown:
        raise ConfigurationError(*dict.fromkeys([*unknown, *problems]))


def _problems(arm: Arm, values: Mapping[str, Value], name: str = "") -> list[str]:
    """List a configuration's problems, at the place of `name`, of the wrong value or of the arm."""
    places = arm.space.places

    def place(location: Location) -> str:
        steps = [str(step) for step in location]
        settings = [".".join(steps[:end]) for end in range(len(steps), 0, -1)]
        known = [places[setting] for setting in (name, *settings) if setting in places]
        return known[0] if known else arm.place

    try:
        build_config(arm.model, values, place)
    except ConfigurationError as error:
        return list(error.problems)
    return []


def check_objectives(study: ResolvedStudy, dataset: Dataset) -> None:
    """Raise ConfigurationError for an objective of a cell that is unknown or has no values."""
    spec = study.spec
    keys: list[tuple[Location, str]] = [
        (("objectives", place), name) for place, name in enumerate(spec.objectives)
    ]
    for key, name in keys or [(("objective",), spec.objective)]:
        if name not in COSTS:
            _check(key, Objective(name), study, dataset)


def _check(key: Location, objective: Objective, study: ResolvedStudy, dataset: Dataset) -> None:
    """Check that an objective of one cell has a known scenario, and values on valid and test."""
    scenarios = dataset.full_schema.scenarios
    place = f"{study.file.place(key)}: objective {objective.name}"
    if objective.cell and objective.cell[0] not in scenarios:
        raise ConfigurationError(
            f"{place} names no scenario, known: {', '.join(scenarios)}"
            f"{did_you_mean(objective.cell[0], scenarios)}"
        )
    if objective.cell in dataset.full_schema.absent_cells:
        scenario, task = objective.cell
        raise ConfigurationError(
            f"{place} needs a cell with labels, but task {task} is not one of {scenario}",
            remedy=f"name a scenario of data.tasks.{task}.scenarios",
        )
    is_ranking = objective.metric.is_ranking
    problems = []
    for cell in dataset.record.cells:
        if (cell.scenario, cell.task) == objective.cell:
            problems += [f"{place} {lack}" for lack in _lacks(cell, is_ranking=is_ranking)]
    if problems:
        raise ConfigurationError(
            *problems, remedy="name a cell that has them, or an objective over all cells"
        )


def _lacks(cell: CellCount, *, is_ranking: bool) -> Iterator[str]:
    """Yield what a cell lacks to be measured on valid and test."""
    needed = cell.needed_for_auc if is_ranking else "rows"
    positive = "positives" if cell.means is None else "above 0"
    for split, rows, positives in zip(SPLITS, cell.rows, cell.positives, strict=True):
        has_values = cell.can_have_auc(rows, positives) if is_ranking else rows
        if split != "train" and not has_values:
            yield f"needs {needed} in {split}, got {positives:,} {positive} of {rows:,} rows"


def refuse_without_flops(study: ResolvedStudy, arms: Sequence[Arm], dataset: Dataset) -> None:
    """Refuse FLOPs as an objective of arms that have none."""
    if FLOPS not in study.spec.other_objectives:
        return
    for arm in arms:
        default = default_of(arm)
        if flops_of(default, default.features.schema_of(dataset)) == 0:
            raise ConfigurationError(
                f"{arm.place}: objective {FLOPS} needs a network, and {arm.model} is none",
                remedy=f"take {LATENCY} in its place, or leave out the arm",
            )
