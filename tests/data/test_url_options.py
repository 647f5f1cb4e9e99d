"""Options of URLs: a study file names no library, no file to write and no program."""

from urllib.parse import quote

import pytest
from pydantic import ValidationError

from hinet_search.data.sources.sql import Options

SQL_SERVER = "DRIVER={ODBC Driver 18 for SQL Server};SERVER=tcp:db.example,1433;DATABASE=shop;"


def odbc(settings: str) -> str:
    return f"mssql+pyodbc:///?odbc_connect={quote(settings, safe='${}')}"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ann@db/shop?sslkeylogfile=/home/ann/.bashrc",
        "postgresql://ann@db/shop?sslkey=./evil.so:key&sslcert=a.crt",
        "postgresql+psycopg://ann@db/shop?sslkey=/tmp/evil.so:key",
        "postgresql://ann@db/shop?gsslib=./evil.so",
        "postgresql://ann@db/shop?SSLKEYLOGFILE=x",
        "postgresql://ann@db/shop?autocommit=1",
        "postgresql://ann@db/shop?plugin=x",
        "postgresql://ann@db/shop?replication=database",
        "postgresql://ann@db/shop?oauth_issuer=https://example",
        "redshift+psycopg2://ann@db/shop?sslkey=./evil.so:key",
        "cockroachdb://ann@db/shop?sslkeylogfile=x",
        "sqlite:///shop.db?mode=rwc",
        "sqlite:///file:shop.db?uri=true&vfs=evil",
        "duckdb:///shop.duckdb?allow_unsigned_extensions=true",
        "duckdb:///shop.duckdb?custom_extension_repository=./here",
        "mysql://ann@db/shop?plugin_dir=.",
        "mysql://ann@db/shop?PLUGIN_DIR=.",
        "mysql://ann@db/shop?default_auth=evil",
        "mysql+pymysql://ann@db/shop?read_default_file=my.cnf",
        "mysql://ann@db/shop?local_infile=1",
        "mysql://ann@db/shop?init_command=x",
        "oracle://ann@db/shop?lib_dir=.",
        "snowflake://ann@account/shop?connection_name=x",
        "bigquery://project/shop?destination=a.b.c",
        "mssql+pyodbc://ann@db/shop?driver=./evil.so",
        "mssql+pyodbc://ann@db/shop?driver=evil.so",
        "mssql+pyodbc://ann@db/shop?driver=libevil.so.1",
        "mssql+pyodbc://ann@db/shop?DRIVER=/tmp/evil",
        "mssql+pyodbc://ann@db/shop?driver=${PWD}x",
        "mssql+pyodbc://ann@db/shop?driver=A&driver=./evil.so",
        "mssql+pyodbc://ann@db/shop?a%3BDRIVER=./evil.so",
        "mssql+pyodbc://ann@db/shop?FILEDSN=evil.dsn",
        "mssql+pyodbc://ann@db/shop?SAVEFILE=made.dsn",
        "mssql+aioodbc://ann@db/shop?driver=./evil.so",
        "unheard://ann@db/shop?module=evil",
        odbc("DRIVER=./evil.so"),
        odbc("DRIVER={./evil.so};SERVER=db"),
        odbc("Driver = evil.so;SERVER=db"),
        odbc("SERVER=db;dRiVeR=/tmp/evil"),
        odbc("DRIVER=A;DRIVER=./evil.so"),
        odbc("APP={a}};DRIVER=./evil.so;x=}"),
        odbc("SERVER={db;DRIVER=./evil.so"),
        odbc("SERVER=db%3BDRIVER%3D./evil.so"),
        odbc("FILEDSN=./evil.dsn"),
        odbc("DRIVER={SQLite3};LoadExt=./evil.so"),
        odbc("DSN=shop;SAVEFILE=made.dsn"),
        odbc("DSN=shop;TraceFile=made"),
        odbc("DSN=shop;PLUGIN_DIR=."),
        odbc("DRIVER=${PWD}x;SERVER=db"),
        odbc("./evil.dsn"),
        odbc("DSN=shop;${MORE}"),
        odbc("DSN=shop;${NAME}=x"),
    ],
)
def test_an_option_that_may_name_code_or_a_file_to_write_is_refused(url: str) -> None:
    with pytest.raises(ValidationError, match="url") as caught:
        Options(url=url, query="SELECT 1")
    words = str(caught.value)
    assert any(
        said in words
        for said in (
            "may name code to run or a file to write",
            "without a colon",
            "must have no options",
            "must be the name of a driver",
            "must be settings such as",
            "a variable in place of one",
        )
    )


@pytest.mark.parametrize(
    "url",
    [
        "${WHOLE}",
        "postgresql://ann@db/shop?sslmode=verify-full&sslrootcert=system&sslkey=ann.key",
        "postgresql://ann@/shop?host=a:5432&host=b:5432&target_session_attrs=read-only",
        "postgresql://ann@db/shop?service=shop&options=-c%20statement_timeout%3D9s",
        "mysql+pymysql://ann@db/shop?charset=utf8mb4&ssl_ca=/etc/ssl/ca.pem",
        "snowflake://ann@account/shop?warehouse=small&role=reader&token=${TOKEN}",
        "bigquery://project/shop?credentials_path=key.json&location=EU",
        "mssql+pyodbc://ann@db/shop?driver=ODBC+Driver+18+for+SQL+Server&Encrypt=yes",
        "mssql+pyodbc://shop_dsn",
        "mssql+pyodbc:///?odbc_connect=${ODBC}",
        odbc(f"{SQL_SERVER}UID=ann;PWD={{${{SECRET}}}};Encrypt=yes;"),
        odbc("DSN=shop"),
    ],
)
def test_options_that_name_a_server_and_how_to_ask_it_are_taken(url: str) -> None:
    assert Options(url=url, query="SELECT 1").url == url


def test_the_value_of_a_refused_option_is_not_repeated() -> None:
    with pytest.raises(ValidationError) as caught:
        Options(url="mysql://ann@db/shop?plugin_dir=s3cret", query="SELECT 1")
    assert "s3cret" not in str(caught.value)
