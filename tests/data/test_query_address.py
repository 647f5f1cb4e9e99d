"""Addresses of queries: variables are filled in, and passwords are neither written nor shown."""

import pytest

from hinet_search.common.errors import ConfigurationError
from hinet_search.data.queries.address import filled_in, refuse_written_password

PASSWORD = "a{}%b@:/?+c d"
FORMS = (
    PASSWORD,
    "a%7B%7D%25b%40%3A/%3F%2Bc%20d",
    "a%7B%7D%25b%40%3A%2F%3F%2Bc%20d",
    "a%7B%7D%25b%40%3A%2F%3F%2Bc+d",
    "a%7B%7D%25b%40%3A%2F%3F+c d",  # of SQLAlchemy
    "a%7B%7D%25b%40%3A%2F%3F+c%20d",  # of libpq
)
ODBC = "DRIVER%3D%7BODBC 18%7D%3BSERVER%3Ddb%3B"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ann:s3cret@db/shop",
        "postgresql://ann:s3cret${PART}@db/shop",
        "postgresql://ann@db/shop?password=s3cret",
        "snowflake://ann@account/shop?token=s3cret",
        "snowflake://ann@account/shop?private_key_passphrase=s3cret",
        "kind://account/shop?api_key=s3cret",
        f"mssql+pyodbc:///?odbc_connect={ODBC}PWD%3Ds3cret",
        f"mssql+pyodbc:///?odbc_connect={ODBC}Pwd %3D %7Bs3cret%7D%3B",
    ],
)
def test_a_password_that_is_written_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(ValueError, match=r"must not hold a password.* write \$\{NAME\}") as caught:
        refuse_written_password(url)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ann@db/shop",
        "postgresql://ann:${SECRET}@db/shop",
        "postgresql://ann@db/shop?password=${SECRET}",
        "postgresql://ann@db/shop?passfile=/home/ann/.pgpass",
        "bigquery://project/shop?credentials_path=key.json",
        f"mssql+pyodbc:///?odbc_connect={ODBC}Trusted_Connection%3Dyes",
        f"mssql+pyodbc:///?odbc_connect={ODBC}PWD%3D%7B${{SECRET}}%7D",
        "postgresql://${NAME}:${SECRET}@${HOST}:${PORT}/${SHOP}?sslmode=require",
        "${WHOLE}",
        "sqlite:///shop.db",
    ],
)
def test_variables_may_stand_in_place_of_a_password(url: str) -> None:
    refuse_written_password(url)


@pytest.mark.parametrize("url", ["shop.db", "postgresql://ann:s3cret@db:port/shop", "s3cret"])
def test_what_is_no_url_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(ValueError, match="must be a URL such as") as caught:
        refuse_written_password(url)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["${KIND}://ann@db/shop", "postgresql+${KIND}://db/shop", "postgresql://db/?${KIND}=1"]
)
def test_a_variable_in_place_of_a_name_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"must begin with the kind of the database.* got a var"):
        refuse_written_password(url)


def test_every_value_of_a_url_may_be_a_variable() -> None:
    variables = {
        "NAME": "ann",
        "SECRET": PASSWORD,
        "HOST": "db",
        "PORT": "5433",
        "SHOP": "shop",
        "MODE": "require",
    }
    template = "postgresql://${NAME}:${SECRET}@${HOST}:${PORT}/${SHOP}?sslmode=${MODE}"
    url = filled_in(template, variables).url
    assert (url.username, url.password, url.host, url.port) == ("ann", PASSWORD, "db", 5433)
    assert (url.database, url.query["sslmode"]) == ("shop", ("require",))


@pytest.mark.parametrize("scheme", ["postgresql", "postgres"])
def test_a_variable_may_be_the_whole_url(scheme: str) -> None:
    address = filled_in("${WHOLE}", {"WHOLE": f"{scheme}://ann:s3cret@db/shop"})
    assert address.url.password == "s3cret"
    assert address.shown == "postgresql://db/shop"


def test_a_variable_that_is_not_set_is_named() -> None:
    with pytest.raises(ConfigurationError, match="variable SECRET must be set") as caught:
        filled_in("postgresql://ann:${SECRET}@db/shop", {})
    assert caught.value.remedy == "export SECRET=... before the command"


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("${WHOLE}", "the value of WHOLE must be a URL such as"),
        ("postgresql://ann@db:${WHOLE}/shop", "variable of the port must hold a number"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_and_not_repeated(template: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words) as caught:
        filled_in(template, {"WHOLE": "s3cret"})
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    "template",
    [
        "postgresql://ann:${SECRET}@db/shop?sslmode=require",
        "postgresql://bob@db/shop?sslmode=require&password=${SECRET}",
    ],
)
def test_user_and_password_are_no_part_of_what_is_shown(template: str) -> None:
    address = filled_in(template, {"SECRET": PASSWORD})
    assert address.shown == "postgresql://db/shop?sslmode=require"
    assert not [form for form in FORMS if form in repr(address)]


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_password_is_masked(form: str) -> None:
    address = filled_in("postgresql://ann:${SECRET}@db/shop", {"SECRET": PASSWORD})
    assert address.masked(f"refused:\n  {form} is wrong") == "refused: *** is wrong"


@pytest.mark.parametrize(
    ("template", "shown"),
    [
        ("mssql+pyodbc:///?odbc_connect=${ODBC}", "mssql://?odbc_connect=${ODBC}"),
        ("kind://db/shop?colour=${ODBC}&mode=a", "kind://db/shop?colour=${ODBC}&mode=a"),
        ("${WHOLE}", "mssql://db/shop"),
    ],
)
def test_options_from_variables_are_never_shown(template: str, shown: str) -> None:
    odbc = "SERVER=db;UID=ann;PWD={s3;cret}"
    whole = f"mssql+pyodbc://db/shop?odbc_connect={odbc}"
    address = filled_in(template, {"ODBC": odbc, "WHOLE": whole})
    assert address.shown == shown
    assert "cret" not in repr(address)
    assert address.masked(f"got {odbc}, s3;cret") == "got ***, ***"


def test_a_password_inside_of_an_option_is_masked() -> None:
    template = f"mssql+pyodbc:///?odbc_connect={ODBC}PWD%3D${{SECRET}}"
    address = filled_in(template, {"SECRET": PASSWORD})
    assert address.shown.endswith("SERVER%3Ddb%3BPWD%3D${SECRET}")
    assert address.masked(f"got {PASSWORD}") == "got ***"
