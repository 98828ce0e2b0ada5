"""What a user would write instead: the share of incomplete pathways within 18 weeks of one commissioner, from one file.

``python pandas_script.py FILE COMMISSIONER`` prints the percentage, and what it is of, as JSON.
"""

import json
import sys

import pandas as pd

rtt = pd.read_csv(sys.argv[1])
rows = rtt[
    (rtt["RTT Part Type"] == "Part_2")
    & (rtt["Commissioner Org Code"] == sys.argv[2])
    & (rtt["Treatment Function Code"] != "C_999")
]
weeks = [column for column in rtt.columns if column.startswith("Gt ")]
waiting = rows[weeks].sum().sum()
within = rows[weeks[:18]].sum().sum()
print(json.dumps({"value": 100 * within / waiting, "numerator": int(within), "denominator": int(waiting)}))
