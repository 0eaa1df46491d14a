"""What `pqgan render` writes of a table or figure as .json, for those who read it: the page and `pqgan summary`."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator

from pqgan.origin import Environment


class Part(BaseModel):
    """Values of a file."""

    model_config = ConfigDict(frozen=True)


class Cell(Part):
    """Of a table's row."""

    text: str
    value: FiniteFloat | None
    """None where it was not measured."""
    bold: bool


class Row(Part):
    """Of a table."""

    group: str
    outcome: str = ""
    source: Literal["measured", "reported", "computed"]
    grey: bool = False
    ruled: bool = False
    """Whether a rule stands above it."""
    cells: dict[str, Cell]


class Rows(Part):
    """The rows of a table alone."""

    rows: list[Row]


class Column(Part):
    """Of a table."""

    key: str
    header: str
    over: str = ""
    """Heading above this one, which neighbours share."""
    numeric: bool
    wide: bool


class Made(Environment):
    """A result that an item was made from."""

    path: str
    chapter: str
    name: str


class Item(Part):
    """What tables and figures have in common."""

    item: str
    scale: str
    reading: str
    title: str
    caption: str
    random_networks: list[str]
    provenance: list[Made]


class Table(Item, Rows):
    """A table."""

    kind: Literal["table"]
    columns: list[Column]
    notes: list[str]

    @model_validator(mode="after")
    def _rows_have_every_column(self) -> "Table":
        if any(column.key not in row.cells for row in self.rows for column in self.columns):
            raise ValueError("a row lacks a column")
        return self


class Figure(Item):
    """A figure, whose picture lies beside the file."""

    kind: Literal["figure"]
    alt: str


class Rendered(Part):
    """A file."""

    content: Annotated[Table | Figure, Field(discriminator="kind")]

    @model_validator(mode="before")
    @classmethod
    def _is_the_content(cls, values: object) -> object:
        return {"content": values}
