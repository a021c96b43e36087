"""The rules of a migration that runs while the last release still writes: expand only, no long lock.

A column is added nullable or with a trigger that fills it: writers of the last release may write an explicit NULL.
Indexes are built concurrently, checks and foreign keys are added unvalidated; both finish outside a transaction.
Nothing is renamed, retyped, tightened or dropped but what refused rows (a constraint, a trigger, NOT NULL).
"""

import io
import re
from collections.abc import Iterator
from types import ModuleType
from typing import Any, Final

from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from pglast import ast, parse_sql
from pglast.enums import AlterTableType, ConstrType, ObjectType
from pglast.stream import RawStream

#: Changes of a table that no running writer or reader notices.
_ALLOWED: Final = {
    AlterTableType.AT_AddColumn,
    AlterTableType.AT_AddConstraint,
    AlterTableType.AT_AttachPartition,
    AlterTableType.AT_ColumnDefault,
    AlterTableType.AT_DropConstraint,
    AlterTableType.AT_DropNotNull,
    AlterTableType.AT_SetRelOptions,
    AlterTableType.AT_ValidateConstraint,
}
_VALIDATED: Final = {ConstrType.CONSTR_CHECK, ConstrType.CONSTR_FOREIGN}
_INDEXED: Final = {ConstrType.CONSTR_UNIQUE, ConstrType.CONSTR_PRIMARY, ConstrType.CONSTR_EXCLUSION}
_DROPPED: Final = {ObjectType.OBJECT_TRIGGER, ObjectType.OBJECT_FUNCTION}


def sql_of(migration: ModuleType) -> str:
    """The statements of a migration's upgrade as Alembic writes them in its offline mode: a COMMIT ends the
    transaction before an autocommit block, a BEGIN starts the next."""
    written = io.StringIO()
    context = MigrationContext.configure(
        dialect_name="postgresql", opts={"as_sql": True, "output_buffer": written, "transactional_ddl": True}
    )
    with Operations.context(context):
        migration.upgrade()
    return written.getvalue()


def violations(sql: str) -> list[str]:
    """What breaks the rules."""
    statements = [raw.stmt for raw in parse_sql(sql)]
    created = {s.relation.relname for s in statements if isinstance(s, ast.CreateStmt)}
    triggers = [s for s in statements if isinstance(s, ast.CreateTrigStmt)]
    in_transaction, found = True, []
    for statement in statements:
        if isinstance(statement, ast.TransactionStmt):
            in_transaction = not in_transaction
            continue
        found += _violations(statement, created, triggers, in_transaction=in_transaction)
    return found


def _violations(
    statement: ast.Node, created: set[str], triggers: list[ast.CreateTrigStmt], *, in_transaction: bool
) -> Iterator[str]:
    table = getattr(statement, "relation", None)
    match statement:
        case ast.AlterTableStmt(cmds=commands) if table.relname not in created:
            for command in commands:
                yield from _alteration(command, table.relname, triggers, in_transaction=in_transaction)
        case ast.IndexStmt() if table.relname not in created and table.inh:
            yield from _index(statement, in_transaction=in_transaction)
        case ast.DropStmt(removeType=ObjectType.OBJECT_INDEX):
            yield from _index(statement, in_transaction=in_transaction)
        case ast.DropStmt(removeType=kind) if kind not in _DROPPED:
            yield f"drops: {_text(statement)}"
        case ast.RenameStmt() | ast.UpdateStmt() | ast.DeleteStmt() | ast.TruncateStmt():
            yield f"renames, or changes rows in one transaction: {_text(statement)}"
        case ast.VariableSetStmt(name="lock_timeout") if in_transaction:
            yield "waits for a table longer than billing migrate allows"


def _index(statement: ast.IndexStmt | ast.DropStmt, *, in_transaction: bool) -> Iterator[str]:
    if not statement.concurrent or in_transaction:
        yield f"not concurrently, outside a transaction: {_text(statement)}"


def _alteration(
    command: ast.AlterTableCmd, table: str, triggers: list[ast.CreateTrigStmt], *, in_transaction: bool
) -> Iterator[str]:
    if command.subtype not in _ALLOWED:
        yield f"{AlterTableType(command.subtype).name} of {table}"
    elif command.subtype is AlterTableType.AT_AddColumn:
        yield from _column(command.def_, table, triggers)
    elif command.subtype is AlterTableType.AT_AddConstraint:
        constraint = command.def_
        if constraint.contype in _VALIDATED and not constraint.skip_validation:
            yield f"constraint {constraint.conname} of {table} is not NOT VALID"
        if constraint.contype in _INDEXED and constraint.indexname is None:
            yield f"constraint {constraint.conname} of {table} builds an index under a lock"
    elif command.subtype is AlterTableType.AT_ValidateConstraint and in_transaction:
        yield f"constraint {command.name} of {table} is validated in a transaction"


def _column(column: ast.ColumnDef, table: str, triggers: list[ast.CreateTrigStmt]) -> Iterator[str]:
    for constraint in column.constraints or ():
        if constraint.contype is ConstrType.CONSTR_NOTNULL:
            if not any(_fills(trigger, table, column.colname) for trigger in triggers):
                yield f"column {table}.{column.colname} is neither nullable nor filled by a trigger"
        elif constraint.contype is not ConstrType.CONSTR_DEFAULT or not isinstance(_constant(constraint), ast.A_Const):
            yield f"column {table}.{column.colname} scans or rewrites its table"


def _fills(trigger: ast.CreateTrigStmt, table: str, column: str) -> bool:
    when = "" if trigger.whenClause is None else _text(trigger.whenClause)
    is_null = re.search(rf"new\.{column} is null", when, re.IGNORECASE)
    return trigger.relation.relname == table and bool(trigger.row) and is_null is not None


def _constant(constraint: ast.Constraint) -> Any:
    expression = constraint.raw_expr
    return expression.arg if isinstance(expression, ast.TypeCast) else expression


def _text(node: ast.Node) -> str:
    return str(RawStream()(node))
