"""Commands of the command line, one a file: arguments and output of functions that programs can call too."""

from __future__ import annotations

import click

from edgedescent.registry import Registry

COMMANDS: Registry[click.Command] = Registry(
    "command",
    "edgedescent.commands",
    {
        "adopt": "edgedescent.commands.adopt:adopt",
        "assemble": "edgedescent.commands.assemble:assemble",
        "backup": "edgedescent.commands.backup:backup",
        "check": "edgedescent.commands.check:check",
        "dead-letters": "edgedescent.commands.dead_letters:dead_letters",
        "export": "edgedescent.commands.export:export",
        "init": "edgedescent.commands.init:init",
        "journal": "edgedescent.commands.journal:journal",
        "migrate": "edgedescent.commands.migrate:migrate",
        "run": "edgedescent.commands.run:run",
        "snapshots": "edgedescent.commands.snapshots:snapshots",
        "status": "edgedescent.commands.status:status",
        "watch": "edgedescent.commands.watch:watch",
    },
)
