"""Typed rows: what a Parquet file holds, proven sound and taken without any text.

The doubtful rows of the same file are given apart, as text.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from features.casting import quoted
from features.contracts import TableContract
from features.frame import Frame
from features.known import happened
from features.parquet_reader import ParquetCopy, batches, grouped, texts
from features.placement import Placement
from features.proof import Proof, are_plain, proof_of
from features.rollup import words_of
from features.row_keys import key_hash, stamp_of
from features.source_rows import SourceRows, without_long

__all__ = ["TypedRows", "typed_rows"]

ROWS, STEP = 500_000, 4096


@dataclass(frozen=True)
class TypedRows:
    """A Parquet file that can be read by its types.

    Attributes
    ----------
    connection : DuckDBPyConnection
        Reaches the file.
    file : ParquetCopy
        The file.
    proof : Proof
        What makes a row sound.
    own : dict of str to str
        Contract column → the name that the file has.
    contract : TableContract
        The table.
    frame : Frame
        What holds while it is cast.
    """

    connection: duckdb.DuckDBPyConnection
    file: ParquetCopy
    proof: Proof
    own: dict[str, str]
    contract: TableContract
    frame: Frame

    def sound(self) -> Iterator[pa.Table]:
        """Give the sound rows: stored columns, ``known_at``, key, stamp and line.

        Texts that recur are proven once each, not row by row.
        """
        for batch in batches(self.connection, self.file, self._sql(), ROWS):
            yield self._worded(pa.Table.from_batches([batch]))

    def doubtful(self) -> Iterator[SourceRows]:
        """Give every other row, as text."""
        sql = (
            f"SELECT {', '.join(texts(self.file))}, file_row_number + 1 AS __line "
            f"FROM {self._scan} WHERE NOT coalesce({self.proof.sound}, false)"
        )
        source = self.file.source
        for part in grouped(batches(self.connection, self.file, sql, STEP)):
            lines = part["__line"].combine_chunks()
            rows = part.drop_columns("__line")
            yield without_long(SourceRows(source.label, source.sha256, rows, lines))

    def _worded(self, rows: pa.Table) -> pa.Table:
        """Code the texts that recur, and leave out the rows of a doubtful one."""
        recurring = words_of(self.contract.name)
        for name, sound in self.proof.words.items():
            words = rows[name].combine_chunks()
            if name in recurring:
                codes = words.dictionary_encode()
                rows = rows.set_column(rows.column_names.index(name), name, codes)
                words = codes.dictionary
            doubtful = self._doubtful(name, sound, words.drop_null())
            if len(doubtful):
                rows = rows.filter(pc.invert(pc.is_in(rows[name], doubtful)))
        return rows

    def _doubtful(self, name: str, sound: str, words: pa.Array) -> pa.Array:
        """Give the words that may not be what the cast of a text gives."""
        if are_plain(words):
            return words[:0]
        theirs = self.own[name]
        self.connection.register("words", pa.table({theirs: words}))
        sql = f"SELECT {quoted(theirs)} FROM words AS t WHERE NOT coalesce({sound}, false)"
        return self.connection.sql(sql).to_arrow_table()[theirs].combine_chunks()

    @property
    def _scan(self) -> str:
        return self.file.scan.removesuffix(")") + ", file_row_number = true) AS t"

    def _sql(self) -> str:
        values = self.proof.values
        key = key_hash(self.contract, values, self._row)
        listed = ", ".join(f"{value} AS {quoted(name)}" for name, value in values.items())
        inner = (
            f"SELECT {listed}, {key} AS __key, file_row_number + 1 AS __line "
            f"FROM {self._scan} WHERE {self.proof.others}"
        )
        stored = ", ".join(quoted(column.stored_name) for column in self.contract.stored)
        moment = happened(self.contract, self.frame.settings)
        return (
            f"SELECT {stored}, coalesce(recorded_at, {moment}) AS known_at, __key, "
            f"{stamp_of(self.contract)} AS __stamp, __line FROM ({inner})"
        )

    @property
    def _row(self) -> str:
        """The SQL of the digest of the whole row, as that of its text."""
        columns = sorted(self.file.columns.items())
        parts = (
            f"trim(coalesce(CAST(t.{quoted(theirs)} AS VARCHAR), ''))" for _, theirs in columns
        )
        return f"md5(concat_ws(chr(31), {', '.join(parts)}))"


def typed_rows(
    connection: duckdb.DuckDBPyConnection,
    file: ParquetCopy,
    placement: Placement,
    contract: TableContract,
    frame: Frame,
) -> TypedRows | None:
    """Say how a file is read by its types; None if it has to be read as text."""
    if "file_row_number" in {name.casefold() for name in file.columns.values()}:
        return None
    described = connection.execute(f"DESCRIBE SELECT * FROM {file.scan}").fetchall()
    kinds = {name: kind for name, kind, *_ in described}
    own = {name: file.columns[mine] for name, mine in placement.columns.items()}
    proof = proof_of(contract, replace(placement, columns=own), frame, kinds)
    return TypedRows(connection, file, proof, own, contract, frame) if proof else None
