"""How much a received file may be before it is refused: every limit in one place, each with its reason.

What bounds the memory of a night is the largest file that may be read, not how many there are: files are read one
after another. Measured on RTT extracts of 78 and 234 MB, reading takes about thirteen times the size of the text.
"""

from __future__ import annotations

# Of a file as it lies in the landing folder, and of what it unpacks to. The largest published extract, a month of RTT,
# is 85 MB unpacked. ``CCG_MOST_FILE_MB`` sets another.
MOST_BYTES = 256 * 1024**2
# The emptiest published extract packs about 40 to 1, workbooks 11 to 1; a bomb packs thousands to 1.
MOST_RATIO = 500
# What may unpack whatever its ratio: small files of repeated rows pack well.
ALWAYS_BYTES = 1024**2
ALWAYS_BYTES_OF_WORKBOOK = 64 * 1024**2
# Files inside a zip or xlsx: published workbooks have up to 88.
MOST_MEMBERS = 5_000
# Rows of a text file: the largest published extract has under 200,000.
MOST_ROWS = 2_000_000
# Columns of a text file: published extracts have up to 121.
MOST_COLUMNS = 5_000
# Rows of a worksheet: what the format holds.
MOST_SHEET_ROWS = 1_048_576
# The area from a sheet's first cell to its last, which the reader takes into memory filled or not. The largest
# published sheet has under 2 million.
MOST_CELLS = 20_000_000
# Text of a workbook's cells when each has its own copy, as the reader makes them (characters).
MOST_TEXT = 1024**3
