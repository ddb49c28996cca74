"""`assay report`: the scorecard of a run.

The scorecard consists of blocks, one module each in `blocks/`. A block is a frozen dataclass with its data, a function
that reads it, and two functions that show it: as single values and as tables. To add one, write its module and name
its `BLOCK` in `blocks/__init__.py`: the terminal, Markdown, the web page and JSON follow.

- `block.py`: `ScorecardBlock`, `Scorecard`, and `Section`, which is one table.
- `blocks/`: the blocks, in the order in which they are shown.
- `source.py`: the rows of one run; the statements of all blocks run at the same time, each once.
- `queries/`: the statements.
- `scorecard.py`: selects the run and reads all blocks.
- `render.py`: Markdown and the web page.
- `intervals.py`: the words for intervals and their limits.
"""
