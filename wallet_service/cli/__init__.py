"""The command line, `wallet-service`: one module for each family of commands."""

from __future__ import annotations

import importlib
import sys

import click

from wallet_service.errors import Invalid, WalletServiceError

_FAMILIES = {
    "bench": ("wallet_service.cli.bench.commands", "bench"),
    "certs": ("wallet_service.cli.certs", "certs"),
    "db": ("wallet_service.cli.db", "db"),
    "demo": ("wallet_service.cli.demo", "demo"),
    "google": ("wallet_service.cli.google", "google"),
    "keys": ("wallet_service.cli.keys", "keys"),
    "pass": ("wallet_service.cli.passes", "passes"),
    "programs": ("wallet_service.cli.programs", "programs"),
    "serve": ("wallet_service.cli.serve", "serve"),
    "simulate": ("wallet_service.cli.simulate", "simulate"),
    "templates": ("wallet_service.cli.templates", "templates"),
    "users": ("wallet_service.cli.users", "users"),
    "worker": ("wallet_service.cli.serve", "worker"),
}


class Families(click.Group):
    """A click group that imports a command's module only when it is used, and prints our errors in words."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All commands, in alphabetical order."""
        return sorted(_FAMILIES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """One command."""
        if cmd_name not in _FAMILIES:
            return None
        module, name = _FAMILIES[cmd_name]
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def invoke(self, ctx: click.Context) -> object:
        """Run; an error of ours ends the program with its words, a bug of ours with its traceback."""
        try:
            return super().invoke(ctx)
        except Invalid as error:
            for fault in error.faults:
                click.echo(f"  {fault}", err=True)
            sys.exit(1)
        except WalletServiceError as error:
            click.echo(f"wallet-service: {error}", err=True)
            sys.exit(1)


@click.command(cls=Families, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="wallet-service")
def main() -> None:
    """Loyalty cards in Apple Wallet and Google Wallet."""
