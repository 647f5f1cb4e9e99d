"""Claims of tables: how often `data init` takes a column for something else without a doubt.

Tables of six trades are synthetic, with names, types and sizes that vary: users, items, scenarios,
labels, inputs, and what is known after the label alone. `data init` guesses the roles.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import polars as pl
from claims import Asked
from numpy.typing import NDArray
from scipy.special import expit

from hinet_search.data.guess.guess_table import guessed_table
from hinet_search.data.guess.roles import ColumnRole, ColumnRoles

DAY = 86_400
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Trade:
    """What columns are called in a trade: each has some names, of which a table has one."""

    user: Sequence[str]
    item: Sequence[str]
    scenario: Sequence[str]
    places: Sequence[str]
    label: Sequence[str]
    after: Sequence[str]  # known after the label alone
    amount: Sequence[str]  # an input
    kind: Sequence[str]  # a categorical input


TRADES = {
    "shop": Trade(
        ("user_id", "customer_id", "uid"),
        ("item_id", "sku", "product_id"),
        ("channel", "page", "surface"),
        ("home", "search", "push"),
        ("is_click", "clicked", "order"),
        ("order_value", "quantity_ordered"),
        ("price", "list_price"),
        ("brand", "category"),
    ),
    "news": Trade(
        ("reader_id", "user"),
        ("article_id", "story_id"),
        ("section", "placement"),
        ("front", "sport", "local"),
        ("click", "is_read"),
        ("dwell_seconds", "read_time"),
        ("age_hours", "num_words"),
        ("author", "topic"),
    ),
    "video": Trade(
        ("user_id", "viewer_id"),
        ("video_id", "clip"),
        ("tab", "scene"),
        ("feed", "following", "nearby"),
        ("is_like", "long_view"),
        ("play_time_ms", "watch_seconds"),
        ("duration_ms", "followers"),
        ("music", "upload_type"),
    ),
    "hotels": Trade(
        ("guest_id", "visitor_id"),
        ("hotel_id", "property_id"),
        ("site", "market"),
        ("web", "app", "partner"),
        ("booked", "is_booking"),
        ("gross_bookings", "nights_booked"),
        ("price_usd", "distance"),
        ("country", "room_type"),
    ),
    "food": Trade(
        ("user_id", "eater_id"),
        ("restaurant_id", "shop_id"),
        ("entry", "source"),
        ("list", "map", "coupon"),
        ("ordered", "is_order"),
        ("basket_value", "tip"),
        ("delivery_fee", "eta_minutes"),
        ("cuisine", "district"),
    ),
    "bank": Trade(
        ("client_id", "account_id"),
        ("offer_id", "campaign_id"),
        ("contact", "medium"),
        ("mail", "phone", "app"),
        ("response", "is_opened"),
        ("minutes_on_page", "amount_paid"),
        ("balance", "income"),
        ("job", "region"),
    ),
}


@dataclass(frozen=True)
class Columns:
    """The true column of every role of a table."""

    user: str
    item: str
    scenario: str
    time: str
    label: str
    after: str
    inputs: tuple[str, str]


def made_up(trade: Trade, draw: np.random.Generator) -> tuple[pl.DataFrame, Columns]:
    """Return a table and what its columns are."""
    one = partial(_one, draw)
    inputs = one(trade.amount), one(trade.kind)
    time = one(("time", "timestamp", "shown_at", "event_time"))
    names = Columns(
        *map(one, (trade.user, trade.item, trade.scenario)),
        time,
        *map(one, (trade.label, trade.after)),
        inputs,
    )
    rows = int(draw.integers(3000, 9000))
    user_R = draw.integers(0, rows // int(draw.integers(6, 20)), rows)
    item_R = draw.integers(0, int(draw.integers(150, 600)), rows)
    amount_R = draw.lognormal(3, 0.8, rows)
    effects = draw.normal(size=rows)[user_R] + draw.normal(size=rows)[item_R]
    chance_R = expit(effects + 0.3 * np.log(amount_R) - draw.uniform(1.5, 3.5))
    label_R = draw.random(rows) < chance_R
    after_R = np.where(label_R, draw.lognormal(2, 1, rows), 0.0)
    kinds = int(draw.integers(5, 40))
    second_R = np.sort(draw.integers(0, 30 * DAY, rows)) + 1_700_000_000
    frame = pl.DataFrame(
        {
            names.user: user_R,
            names.item: item_R,
            names.scenario: [
                trade.places[place] for place in draw.choice(3, rows, p=(0.5, 0.3, 0.2))
            ],
            names.label: label_R.astype(int),
            names.after: after_R.round(2),
            inputs[0]: amount_R.round(2),
            inputs[1]: [f"{inputs[1]} {kind}" for kind in draw.integers(0, kinds, rows)],
            time: second_R,
        }
    )
    if draw.random() < 0.5:  # an export without zeros
        frame = frame.with_columns(pl.when(pl.col(names.label) == 1).then(names.after))
    if draw.random() < 0.5:
        frame = frame.with_columns(pl.from_epoch(time))
    return frame.select(draw.permutation(frame.columns).tolist()), names


def _one(draw: np.random.Generator, names: Sequence[str]) -> str:
    return names[int(draw.integers(len(names)))]


Happened = Callable[[ColumnRoles, Columns], bool]


def wrong_role(roles: ColumnRoles, names: Columns) -> bool:
    """Return whether user, item, scenario, time or a label is another column, without a doubt."""
    singles = {
        names.user: roles.user,
        names.item: roles.item,
        names.scenario: roles.scenario,
        names.time: roles.time,
    }
    wrong = [role for name, role in singles.items() if role and role.name != name]
    wrong += [role for role in roles.tasks if role.name != names.label]
    return any(not role.to_check for role in wrong)


def missing_role(roles: ColumnRoles, names: Columns) -> bool:
    """Return whether user, item, scenario, time or the label is not found."""
    tasks = [role.name for role in roles.tasks]
    singles = (roles.user, roles.item, roles.scenario, roles.time)
    return None in singles or names.label not in tasks


def leaking_input(roles: ColumnRoles, names: Columns) -> bool:
    """Return whether what is known after the label is an input, without a doubt."""
    return any(role.name == names.after and not role.to_check for role in _inputs(roles))


def lost_input(roles: ColumnRoles, names: Columns) -> bool:
    """Return whether an input is left out, without a doubt."""
    kept = {role.name for role in (*_inputs(roles), *roles.outcomes) if role.to_check}
    kept |= {role.name for role in _inputs(roles)}
    return not {*names.inputs} <= kept


def doubted_right(roles: ColumnRoles, names: Columns) -> bool:
    """Return whether a column is doubted in its true role."""
    right = {names.user: roles.user, names.item: roles.item, names.scenario: roles.scenario}
    found = [role for name, role in right.items() if role and role.name == name]
    found += [role for role in _inputs(roles) if role.name in names.inputs]
    found += [role for role in roles.tasks if role.name == names.label]
    return any(role.to_check for role in found)


def _inputs(roles: ColumnRoles) -> Iterator[ColumnRole]:
    yield from roles.categorical
    yield from roles.numeric


@dataclass(frozen=True)
class TableQuestion:
    """How often something happens to tables of any trade, and the largest share."""

    words: str
    happened: Happened
    limit: float | None = 0.05
    part: float = 1.0

    def happens(self, draw: np.random.Generator) -> bool:
        """Return whether it happens to one table."""
        trade = TRADES[_one(draw, tuple(TRADES))]
        frame, names = made_up(trade, draw)
        table = guessed_table(frame.lazy(), "rows", {"kind": "table", "path": "rows.parquet"})
        return self.happened(table.guesses, names)


def asked() -> Mapping[str, Sequence[Asked]]:
    """Return all questions, by title."""
    return {
        "`data init` reads a table of one of six trades": [
            TableQuestion("a role is another column, without a doubt", wrong_role),
            TableQuestion(
                "what is known after the label is an input, without a doubt", leaking_input
            ),
            TableQuestion("an input is left out, without a doubt", lost_input),
            TableQuestion("a role is not found", missing_role, None),
            TableQuestion("a doubt is of a column in its true role", doubted_right, None),
        ]
    }
