"""The analysis from Python: tables in, tables out, nothing written until you say so.

python examples/from_python.py
"""

from pathlib import Path

import tasktransfer as tt

table = Path(__file__).with_name("accuracies.csv")
accuracies = tt.read_accuracies(table)
analysis = tt.analyze(accuracies)

for finding in tt.find_findings(analysis)[:3]:
    print(finding.title, "-", finding.text)

largest = analysis.models[-1]
matrix = analysis.matrix(largest)  # rows sources, columns targets
print(matrix.round(2))
print(tt.aggregate_transfer(matrix).round(3).to_string())
print(tt.decompose(matrix).shares.round(3))
print(tt.find_cliques(matrix, "positive").cliques[:3])
