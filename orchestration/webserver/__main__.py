"""Dagster's web server behind the token of the local stack: its own command line, with a guarded application."""

from typing import Any

from assay.one_time_codes import DAGSTER_PAGE, OneTimeCodes
from assay.request_guard import RequestGuard
from assay.request_head import bound_request_heads
from assay.settings import served_token
from orchestration.dagster_internals import webserver

COOKIE = "assay_dagster"
HOW = "Open the address that `assay status` prints; each address opens the page once."


def main() -> None:
    """Runs Dagster's command line with the application, which has no access control of its own, behind the guard."""
    cli, create_app = webserver()
    token = served_token()
    codes = OneTimeCodes(token, DAGSTER_PAGE)
    bound_request_heads()

    def guarded_app(*arguments: Any, **options: Any) -> RequestGuard:
        return RequestGuard(create_app(*arguments, **options), token, cookie=COOKIE, opens=codes.accept, how=HOW)

    vars(cli)[create_app.__name__] = guarded_app
    cli.dagster_webserver(auto_envvar_prefix="DAGSTER_WEBSERVER")


if __name__ == "__main__":
    main()
