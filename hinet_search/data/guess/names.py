"""Names: words in the names of columns that hint at roles, names of tasks, values of a split."""

import re
from collections.abc import Sequence

from hinet_search.data.columns import SPLITS

# Of a task, and of a value that can be a scenario. YAML allows keys of up to 1,024 characters.
LONGEST_NAME = 64
_BETWEEN_WORDS = re.compile(r"[\x00-/:-@\[-`{-\x7f\s]+")  # whitespace and ASCII punctuation
_TRAIN = ("train", "training", "tr")
_VALID = ("valid", "val", "validation", "validate", "dev", "development")
_TEST = ("test", "testing", "holdout")
_EVALUATION = ("eval", "evaluation")  # means valid, or test where another value means valid
_PARTS = {
    **dict.fromkeys(_TRAIN, "train"),
    **dict.fromkeys(_VALID, "valid"),
    **dict.fromkeys((*_TEST, *_EVALUATION), "test"),
}

# Words in the name of a column that hint at its role.
TASK_WORDS = (
    "click clicked clk order ordered orders buy bought purchase purchased pay paid convert "
    "converted conversion cvr like liked follow followed share shared comment favorite collect "
    "cart install subscribe view viewed visit visited finish finished complete completed "
    "forward hate dislike apply applied hire hired reply replied return returned churn churned "
    "default defaulted fraud fraudulent label target "
    "点击 下单 购买 转化 成交 支付 收藏"
)
SCENARIO_WORDS = (
    "scenario scene domain channel tab surface placement page slot site market campaign "
    "场景 频道 渠道"
)
USER_WORDS = (
    "user uid member customer visitor account buyer seeker candidate patient driver subscriber "
    "用户 会员"
)
ITEM_WORDS = (
    "item product sku video goods poi shop article song movie ad creative merchant job listing "
    "post course 商品 商家 视频"
)
PRICE_WORDS = "price prices cost costs fee salary wage currency 价格"
POST_CODE = {"post", "code"}
TIME_WORDS = "time timestamp ts date datetime day at when 时间 日期"
OUTCOME_WORDS = (
    "dwell duration stay watch play played spend spent revenue gmv paid refund rating amount "
    "时长 金额"
)
# Of something that is measured while the row's page is seen, or after it.
LATER_WORDS = (
    "later after afterwards subsequent subsequently next future eventual eventually outcome "
    "scroll scrolled bounce bounced exit exited 之后 后续"
)
# Of columns of yes and no that are known before the row is shown.
KNOWN_BEFORE_WORDS = (
    "new member premium vip male female sex gender married adult student holiday weekend weekday "
    "night mobile desktop android ios wifi app verified registered logged promoted "
    "sponsored recommended featured pinned discounted promo coupon sale stock available first "
    "会员 新"
)
VERBS = ("is", "was", "has", "did")
ID_WORDS = "id uid uuid key code 编号"
# Of what is ranked together, the shortest first.
RANK_WORDS = "impression request req query search srch session visit 请求 会话"
SPLIT_WORDS = "split fold partition subset"
DATE_OF_USER_WORDS = (
    "birth birthday birthdate born dob registration registered signup joined since expiry expires "
    "生日 注册"
)


def task_names(columns: Sequence[str]) -> tuple[str, ...]:
    """Names of tasks from their label columns: `is_click`, `Was clicked?` become click, clicked.

    If short names would clash, all tasks have the names of their columns; if one of these is too
    long or empty, the short names are cut and numbered.
    """
    short_names = []
    for column in columns:
        words = [word for word in _BETWEEN_WORDS.split(_split_camel_case(column)) if word]
        if words[1:] and words[0] in VERBS:
            words = words[1:]
        short_names.append("_".join(words))
    for names in (short_names, columns):
        are_distinct = len(set(names)) == len(names)
        if are_distinct and all(0 < len(name) <= LONGEST_NAME for name in names):
            return tuple(names)
    cut_names = [name[:LONGEST_NAME] or "task" for name in short_names]
    return tuple(f"{name}_{number}" for number, name in enumerate(cut_names, start=1))


def has_word(name: str, words: str) -> bool:
    """Whether a name has one of the words.

    Words of scripts without spaces may stand anywhere in the name.
    """
    hints = words.split()
    if not set(hints).isdisjoint(words_of(name)):
        return True
    return any(word in name for word in hints if not word.isascii())


def words_of(name: str) -> list[str]:
    """The words of a name: `shownAt`, `shown_at` and `Shown at` are shown, at."""
    return re.findall(r"[^\W\d_]+", _split_camel_case(name))


def family_of(name: str) -> str:
    """What numbered columns share: `affinity_` of `affinity_12`; empty without a number."""
    stem = name.rstrip("0123456789")
    return "" if stem == name else stem


def is_id_of(name: str, words: str) -> bool:
    """Whether a name names an id of one of `words`: `item_id`, `adId`, but not `ad_slot_id`.

    The last word that is no word for an id says what is numbered.
    """
    parts = words_of(name)
    others = [part for part in parts if part not in ID_WORDS.split()]
    return 0 < len(others) < len(parts) and has_word(others[-1], words)


def is_price_or_post_code(name: str) -> bool:
    """Whether a name such as `product_price` or `post_code` names no user and no item."""
    return has_word(name, PRICE_WORDS) or set(words_of(name)) >= POST_CODE


def _split_camel_case(name: str) -> str:
    """`shownAt` as `shown at`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()


def parts_of(values: Sequence[str]) -> dict[str, str]:
    """The value for each of train, valid and test that occurs.

    Empty where a value means none of them, or two values mean the same (`val` and `dev`).
    """
    words = {value.strip().lower(): value for value in values}
    part_of_word = dict(_PARTS)
    if words.keys().isdisjoint(_VALID):
        part_of_word |= dict.fromkeys(_EVALUATION, "valid")
    value_of_part = {part_of_word.get(word, ""): value for word, value in words.items()}
    if "" in value_of_part or len(value_of_part) < len(values):
        return {}
    return {part: value_of_part[part] for part in SPLITS if part in value_of_part}
